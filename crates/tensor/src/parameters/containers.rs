//! Parts of a model in slices, arrays, vectors, boxes and options.

use downhill_kernels::Element;

use super::{Parameters, Path};
use crate::tensor::Tensor;

impl<E: Element, P: Parameters<E>> Parameters<E> for [P] {
    fn visit(&self, path: Path<'_>, visitor: &mut dyn FnMut(Path<'_>, &Tensor<E>)) {
        for (index, part) in self.iter().enumerate() {
            part.visit(path.index(index), visitor);
        }
    }

    fn visit_mut(&mut self, path: Path<'_>, visitor: &mut dyn FnMut(Path<'_>, &mut Tensor<E>)) {
        for (index, part) in self.iter_mut().enumerate() {
            part.visit_mut(path.index(index), visitor);
        }
    }
}

impl<E: Element, P: Parameters<E> + ?Sized> Parameters<E> for Box<P> {
    fn visit(&self, path: Path<'_>, visitor: &mut dyn FnMut(Path<'_>, &Tensor<E>)) {
        self.as_ref().visit(path, visitor);
    }

    fn visit_mut(&mut self, path: Path<'_>, visitor: &mut dyn FnMut(Path<'_>, &mut Tensor<E>)) {
        self.as_mut().visit_mut(path, visitor);
    }
}

/// Visits what an expression of type `$container` holds, by one that iterates over its parts.
macro_rules! through_slice {
    ($([$($generics:tt)*] $container:ty;)*) => {$(
        impl<E: Element, P: Parameters<E>, $($generics)*> Parameters<E> for $container {
            fn visit(&self, path: Path<'_>, visitor: &mut dyn FnMut(Path<'_>, &Tensor<E>)) {
                self.as_slice().visit(path, visitor);
            }

            fn visit_mut(
                &mut self,
                path: Path<'_>,
                visitor: &mut dyn FnMut(Path<'_>, &mut Tensor<E>),
            ) {
                self.as_mut_slice().visit_mut(path, visitor);
            }
        }
    )*};
}
through_slice! {
    [] Vec<P>;
    [const N: usize] [P; N];
}

/// An absent part holds nothing; a present one is visited under the option's own name.
impl<E: Element, P: Parameters<E>> Parameters<E> for Option<P> {
    fn visit(&self, path: Path<'_>, visitor: &mut dyn FnMut(Path<'_>, &Tensor<E>)) {
        if let Some(part) = self {
            part.visit(path, visitor);
        }
    }

    fn visit_mut(&mut self, path: Path<'_>, visitor: &mut dyn FnMut(Path<'_>, &mut Tensor<E>)) {
        if let Some(part) = self {
            part.visit_mut(path, visitor);
        }
    }
}
