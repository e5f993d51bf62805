mod outbound;
mod support;
mod wire;
