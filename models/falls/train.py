"""Trains the networks on simulated windows and writes them as one file of NumPy arrays.

python -m models.falls.train --data .cache/falls --out models/fall_detector.npz
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from models.falls.families import EDGES, FAMILIES, MIRRORED
from models.falls.generate import SEED
from piapp.posture.fall_features import CHANNELS
from piapp.posture.fall_net import FallNet

WIDTH = 32
DILATIONS = (2, 4, 8)
NETS = 3
_LAST_STEPS = 4
# Lying down on purpose looks so much like some falls that it would hide them: it counts half.
LYING_DOWN = ("lies_on_floor", "lies_from_floor", "drops_onto_bed")


class Net(nn.Module):
    """A temporal convolution network; (batch, CHANNELS, STEPS) to logits."""

    def __init__(self, mean: Tensor, spread: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean[:, None])
        self.register_buffer("spread", spread[:, None])
        self.first = nn.Sequential(nn.Conv1d(CHANNELS, WIDTH, 3, padding=1, bias=False), nn.BatchNorm1d(WIDTH))
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Conv1d(WIDTH, WIDTH, 3, padding=d, dilation=d, bias=False), nn.BatchNorm1d(WIDTH))
            for d in DILATIONS
        )
        self.hidden = nn.Linear(3 * WIDTH, WIDTH)
        self.last = nn.Linear(WIDTH, 1)
        self.drop = nn.Dropout(0.1)

    def forward(self, windows: Tensor) -> Tensor:
        """Logits of falls."""
        x = torch.relu(self.first((windows - self.mean) / self.spread))
        for block in self.blocks:
            x = x + torch.relu(block(x))
        pooled = torch.cat((x[..., -_LAST_STEPS:].mean(-1), x.amax(-1), x.mean(-1)), 1)
        return self.last(self.drop(torch.relu(self.hidden(pooled)))).squeeze(-1)


def load(folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Windows, labels, clips and kinds of all shards."""
    shards = [np.load(path) for path in sorted(folder.glob("*.npz"))]
    return tuple(np.concatenate([shard[name] for shard in shards]) for name in ("windows", "labels", "clips", "kinds"))  # type: ignore[return-value]


def augmented(windows: Tensor, spread: Tensor, generator: torch.Generator) -> Tensor:
    """Mirrored at random, with noise, and whole families of channels left out."""
    flip = torch.rand(len(windows), generator=generator) < 0.5
    windows[flip] = windows[flip][:, EDGES]
    windows[flip] *= torch.tensor(MIRRORED)[None, :, None]
    windows += 0.05 * spread[None, :, None] * torch.randn(windows.shape, generator=generator)
    return windows


def leave_out(windows: Tensor, mean: Tensor, generator: torch.Generator) -> Tensor:
    """Put the mean in place of a family of channels, for some windows."""
    for family in FAMILIES:
        gone = torch.rand(len(windows), generator=generator) < 0.06
        rows = torch.where(gone)[0]
        windows[rows[:, None], torch.tensor(family)[None]] = mean[family][None, :, None]
    return windows


def train(windows: np.ndarray, labels: np.ndarray, kinds: np.ndarray, seed: int, epochs: int) -> Net:
    """One network."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    part = windows[:: max(1, len(windows) // 20000)].astype(np.float32)
    mean = torch.tensor(part.mean((0, 2)))
    spread = torch.tensor(part.std((0, 2)) + 0.05)
    net = Net(mean, spread)
    batch = 256
    steps = epochs * (len(windows) // batch)
    optimiser = torch.optim.AdamW(net.parameters(), lr=4e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=steps)
    weights = np.where(np.isin(kinds, LYING_DOWN) & (labels == 0), 0.5, 1.0).astype(np.float32)
    net.train()
    done, total = 0, 0.0
    for _ in range(epochs):
        order = torch.randperm(len(windows), generator=generator).numpy()
        for first in range(0, len(order) - batch + 1, batch):
            rows = np.sort(order[first : first + batch])
            inputs = augmented(torch.tensor(windows[rows].astype(np.float32)), spread, generator)
            loss = nn.functional.binary_cross_entropy_with_logits(
                net(leave_out(inputs, mean, generator)),
                torch.tensor(labels[rows]) * 0.98 + 0.01,
                torch.tensor(weights[rows]),
            )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            total, done = total + float(loss.detach()), done + 1
            if done % 500 == 0:
                print(f"seed {seed} step {done} of {steps} loss {total / 500:.4f}", flush=True)
                total = 0.0
    return net.eval()


def folded(net: Net) -> dict[str, np.ndarray]:
    """The network's arrays, normalisations folded into the convolutions."""
    arrays = {"mean": net.mean.numpy()[:, 0], "scale": 1 / net.spread.numpy()[:, 0]}
    for name, (conv, norm) in {"first": net.first, **{f"block{i}": b for i, b in enumerate(net.blocks)}}.items():
        gain = (norm.weight / torch.sqrt(norm.running_var + norm.eps)).detach()
        weight = conv.weight.detach() * gain[:, None, None]
        # (out, 3 * in): the three steps after each other, as the node stacks them.
        arrays[f"{name}.weight"] = weight.permute(0, 2, 1).reshape(len(weight), -1).numpy()
        arrays[f"{name}.bias"] = (norm.bias - norm.running_mean * gain).detach().numpy()
    for name in ("hidden", "last"):
        arrays[f"{name}.weight"] = getattr(net, name).weight.detach().numpy()
        arrays[f"{name}.bias"] = getattr(net, name).bias.detach().numpy()
    return {name: array.astype(np.float32) for name, array in arrays.items()}


def write(path: Path, nets: list[Net]) -> None:
    """All networks, stacked along a first axis; bytes depend on nothing else."""
    stacked = {name: np.stack([folded(net)[name] for net in nets]) for name in folded(nets[0])}
    np.savez(path, **stacked)


def main() -> None:
    """Train and write."""
    parser = argparse.ArgumentParser(description="Train the fall detector on simulated windows")
    parser.add_argument("--data", type=Path, default=Path(".cache/falls"))
    parser.add_argument("--out", type=Path, default=Path("models/fall_detector.npz"))
    parser.add_argument("--nets", type=int, default=NETS)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=SEED)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    windows, labels, clips, kinds = load(arguments.data)
    held_out = clips % 10 == 9
    print(f"{len(labels)} windows, {labels.mean():.3f} of falls; {held_out.sum()} held out", flush=True)
    nets = []
    for i in range(arguments.nets):
        nets.append(
            train(windows[~held_out], labels[~held_out], kinds[~held_out], arguments.seed + i, arguments.epochs)
        )
        write(arguments.out, nets)
    compare(arguments.out, nets, windows[held_out][:200])
    report(nets, windows[held_out], labels[held_out], kinds[held_out])


def compare(path: Path, nets: list[Net], windows: np.ndarray) -> None:
    """Check that the node's network computes what was trained.

    Raises:
        ValueError: It does not.
    """
    with np.load(path) as arrays:
        on_node = FallNet({name: arrays[name] for name in arrays.files})
    inputs = windows.astype(np.float32)
    with torch.no_grad():
        trained = np.mean([net(torch.tensor(inputs)).numpy() for net in nets], axis=0)
    apart = np.abs(np.array([on_node.logit(one) for one in inputs]) - trained).max()
    if apart > 1e-3:
        raise ValueError(f"{path}: the node's logits differ from the trained ones by up to {apart:.4f}")


def report(nets: list[Net], windows: np.ndarray, labels: np.ndarray, kinds: np.ndarray) -> None:
    """Print how windows that were held out are judged."""
    with torch.no_grad():
        logits = np.mean([net(torch.tensor(windows.astype(np.float32))).numpy() for net in nets], axis=0)
    limit = np.quantile(logits[labels == 0], 0.995)
    print(f"limit {limit:.2f}: {(logits[labels == 1] > limit).mean():.3f} of fall windows above, 0.005 of calm")
    for kind in np.unique(kinds):
        for label in (0, 1):
            rows = (kinds == kind) & (labels == label)
            if rows.any():
                print(f"  {kind} {label}: {rows.sum()} windows, {(logits[rows] > limit).mean():.3f} above")


if __name__ == "__main__":
    main()
