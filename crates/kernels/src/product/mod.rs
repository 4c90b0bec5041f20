//! Matrix products.

pub(crate) mod matmul;
pub(crate) mod multiply;
mod operands;
mod panels;
mod tiles;
mod transpose;
mod vectors;

#[cfg(test)]
mod tests;
