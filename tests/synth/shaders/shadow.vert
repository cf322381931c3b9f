#version 330
in vec3 position;
uniform mat4 light_from_world;

void main() {
    gl_Position = light_from_world * vec4(position, 1.0);
}
