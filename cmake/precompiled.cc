// Only there to carry a precompiled header.
int main() {}
