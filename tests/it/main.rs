fn main() {}
mod screen;
