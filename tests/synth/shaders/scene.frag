#version 330
in vec3 world;
in vec3 world_normal;
in vec3 rest_point;
in vec3 albedo;
in vec4 light_point;
flat in int kind;
out vec4 pixel;
uniform vec3 eye;
uniform vec3 lamp;
uniform sampler2DShadow shadow_map;
uniform float exposure;
uniform float eye_height;   // of the figure being drawn, in its rest pose, metres

const int SKIN = 0, CLOTH = 1, HAIR = 4, EYEBALL = 5, FLOOR = 6, WALL = 7;

float hash(vec3 p) {
    return fract(sin(dot(p, vec3(12.9898, 78.233, 37.719))) * 43758.5453);
}

float noise(vec3 p) {
    vec3 cell = floor(p), f = fract(p);
    f = f * f * (3.0 - 2.0 * f);
    float sum = 0.0;
    for (int k = 0; k < 8; k++) {
        vec3 corner = vec3(k & 1, (k >> 1) & 1, (k >> 2) & 1);
        vec3 weight = mix(1.0 - f, f, corner);
        sum += weight.x * weight.y * weight.z * hash(cell + corner);
    }
    return sum;
}

vec3 face(vec3 base) {
    float x = abs(rest_point.x), y = rest_point.y - eye_height;
    float brow = 0.024 - 7.2 * (x - 0.03) * (x - 0.03);
    if (x > 0.011 && x < 0.052 && abs(y - brow) < 0.0045) base = mix(base, vec3(0.10, 0.06, 0.04), 0.85);
    float lip = length(vec2(x / 0.026, (y + 0.071) / 0.010));
    base = mix(base, vec3(0.48, 0.17, 0.15), 0.75 * smoothstep(1.15, 0.8, lip));
    float socket = length(vec2((x - 0.030) / 0.021, y / 0.013));
    base *= 1.0 - 0.28 * smoothstep(1.4, 0.8, socket);
    float cheek = length(vec2(x - 0.045, y + 0.045)) / 0.03;
    return mix(base, base * vec3(1.08, 0.86, 0.84), smoothstep(1.0, 0.2, cheek));
}

vec3 iris() {
    float r = length(vec2(abs(rest_point.x) - 0.0305, rest_point.y - eye_height));
    if (r < 0.0035) return vec3(0.02);
    return r < 0.0075 ? vec3(0.22, 0.13, 0.06) : vec3(0.82, 0.79, 0.76);
}

float planks() {
    float row = floor(world.x / 0.14);
    float plank = hash(vec3(row, floor((world.z + hash(vec3(row, 1, 2))) / 0.9), 3));
    float gap = abs(fract(world.x / 0.14) - 0.5) > 0.485 ? 0.6 : 1.0;
    return (0.78 + 0.3 * plank + 0.16 * noise(world * vec3(60, 1, 5))) * gap;
}

float lit() {
    vec3 q = light_point.xyz / light_point.w * 0.5 + 0.5;
    if (q.x < 0.0 || q.x > 1.0 || q.y < 0.0 || q.y > 1.0 || light_point.w < 0.0) return 1.0;
    float sum = 0.0;
    for (int i = -1; i <= 1; i++)
        for (int j = -1; j <= 1; j++)
            sum += texture(shadow_map, vec3(q.xy + vec2(i, j) * 0.0024, q.z - 0.0012));
    return sum / 9.0;
}

void main() {
    vec3 n = normalize(world_normal), view = normalize(eye - world), base = albedo;
    float specular = 0.08, gloss = 20.0;
    if (kind == SKIN) {
        base *= 0.92 + 0.12 * noise(rest_point * 60.0);
        if (rest_point.z > 0.09) base = face(base);
        specular = 0.18;
        gloss = 18.0;
    } else if (kind == CLOTH) {
        float weave = noise(rest_point * vec3(9, 14, 9)) * 0.5 + noise(rest_point * 28.0) * 0.3
            + noise(rest_point * 160.0) * 0.2;
        base *= 0.72 + 0.5 * weave;
        specular = 0.02;
        vec3 fold = vec3(noise(rest_point * 22.0), noise(rest_point * 22.0 + 9.0), noise(rest_point * 22.0 + 17.0));
        n = normalize(n + 0.35 * (fold - 0.5));
    } else if (kind == HAIR) {
        base *= 0.5 + 0.9 * noise(rest_point * vec3(220, 40, 220));
        specular = 0.25;
        gloss = 30.0;
    } else if (kind == EYEBALL) {
        base = iris();
        specular = 0.6;
        gloss = 60.0;
    } else if (kind == FLOOR) {
        base *= planks();
        specular = 0.15;
        gloss = 25.0;
    } else if (kind == WALL) {
        base *= 0.95 + 0.06 * noise(world * 8.0) + 0.03 * noise(world * 90.0);
        specular = 0.0;
    } else {
        base *= 0.86 + 0.25 * noise(world * vec3(40, 6, 40));
    }

    vec3 to_lamp = lamp - world;
    float distance2 = dot(to_lamp, to_lamp);
    to_lamp = normalize(to_lamp);
    float shade = lit(), facing = dot(n, to_lamp);
    float diffuse = max(0.0, kind == SKIN ? (facing + 0.25) / 1.25 : facing);
    vec3 light = base * vec3(1.0, 0.95, 0.86) * diffuse * shade * 5.2 / (1.0 + 0.55 * distance2);
    light += base * vec3(0.80, 0.90, 1.0) * max(0.0, dot(n, normalize(vec3(0.9, 0.5, 0.55)))) * 0.32;  // a window
    light += base * max(0.0, dot(n, normalize(vec3(-0.6, 0.2, 0.9)))) * 0.18;
    float occlusion = 0.75 + 0.25 * clamp(world.y / 0.5, 0.0, 1.0);
    light += base * mix(vec3(0.20, 0.17, 0.15), vec3(0.34, 0.35, 0.37), n.y * 0.5 + 0.5) * occlusion;
    float highlight = pow(max(0.0, dot(n, normalize(to_lamp + view))), gloss);
    light += specular * highlight * shade * vec3(1.0, 0.96, 0.9);
    light *= exposure;
    light = light / (1.0 + 0.25 * light);
    pixel = vec4(pow(clamp(light, 0.0, 1.0), vec3(1.0 / 2.2)), 1.0);
}
