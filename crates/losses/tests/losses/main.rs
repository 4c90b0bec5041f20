//! The tests of all losses, in one program: what is generic is compiled once.

mod derivatives;
mod divergences;
mod edges;
mod errors;
mod hostile;
mod laws;
