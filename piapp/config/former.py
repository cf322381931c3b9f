"""Keys that earlier versions had, and what to do in their place.

`[posture]` once held every threshold. What an owner would not set is a named constant beside the code that uses it now.
"""

from __future__ import annotations

_FALLS = "posture.fall_sensitivity says how readily falls are found"
_MEASURED = "its value was measured, and is fixed now"

_INSTEAD = {
    _FALLS: (
        "fall_top_hips_m fall_rest_m fall_drop_m fall_hips_drop_m fall_descent_s fall_speed_m_s fall_shoulders_m"
        " fall_hips_m fall_confirm_s fall_level_deg fall_folded_s fall_settle_s fall_up_m fall_lost_s"
        " fall_lost_shoulders_m fall_lost_speed_m_s"
    ),
    "posture.recover_dwell_s says how long somebody must stand": "recover_hips_m recover_sitting_s",
    "posture.hand_dwell_s says how long a hand must stay up": "hand_enter_m hand_exit_m",
    "camera.tilt_deg sets the camera's tilt": "tilt_max_deg tilt_bias_deg",
    _MEASURED: (
        "min_presence min_scale_px enter_whole enter_leg_share enter_move_m enter_arms match_radius_m match_speed_m_s"
        " hysteresis_deg lying_trunk_deg lying_thigh_deg lying_hips_m lying_extension lying_balance_m propped_reach_m"
        " propped_arms_down bending_trunk_deg bending_knee_deg kneeling_knee_deg seated_thigh_deg half_thigh_deg"
        " passing_m_s floor_hips_m squat_shank_deg squat_balance_m squat_fold_deg wave_lift_m wave_swing_m wave_swings"
        " wave_window_s wave_pause_s still_move_m still_reach_m push_up_trunk_deg push_up_hip_deg push_up_hands_m"
        " push_up_hold_s repetition_start repetition_far repetition_min_s repetition_max_s repetition_pause_s"
    ),
}
FORMER = {f"posture.{name}": instead for instead, names in _INSTEAD.items() for name in names.split()}


def former_key(key: str) -> str | None:
    """The end of a message about a dotted key that an earlier version had; None for any other."""
    instead = FORMER.get(key)
    return None if instead is None else f"is no longer a setting: {instead}; remove this key"
