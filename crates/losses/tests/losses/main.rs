//! The tests of all losses, in one program: what is generic is compiled once.

mod derivatives;
mod edges;
mod errors;
mod hostile;
mod laws;
