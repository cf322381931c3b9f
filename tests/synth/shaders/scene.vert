#version 330
in vec3 position;
in vec3 normal;
in vec3 rest;       // position before posing, so that procedural textures stick to the body
in vec3 color;
in float material;
uniform mat4 clip_from_world;
uniform mat4 light_from_world;
out vec3 world;
out vec3 world_normal;
out vec3 rest_point;
out vec3 albedo;
out vec4 light_point;
flat out int kind;

void main() {
    gl_Position = clip_from_world * vec4(position, 1.0);
    world = position;
    world_normal = normal;
    rest_point = rest;
    albedo = color;
    kind = int(material + 0.5);
    light_point = light_from_world * vec4(position, 1.0);
}
