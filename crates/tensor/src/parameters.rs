//! How optimizers, checkpoints and printers reach the tensors of a model.

mod containers;

use std::fmt;

use crate::tensor::Tensor;
use downhill_kernels::Element;

/// A model, or part of one: anything that holds named tensors.
///
/// Implement it for a struct of your own with [`parameters!`](crate::parameters), which visits
/// the fields it is given. A tensor is visited under the names of the fields and the positions
/// that lead to it, joined with dots, as in `hidden.0.weight`.
///
/// Both visits yield the same tensors in the same order. Tensors that are not parameters
/// ([`Tensor::is_parameter`]) may be among them, such as running averages: they are part of what a
/// model has learned, but optimizers pass over them.
#[diagnostic::on_unimplemented(
    message = "`{Self}` names no tensors of `{E}`",
    label = "a model, or a part of one, is needed here",
    note = "name the fields that hold tensors: `parameters!({Self} {{ field, … }});`, from \
            `downhill_tensor` or the prelude"
)]
pub trait Parameters<E: Element> {
    /// Calls `visitor` with the name and value of each tensor. `path` leads to this part.
    fn visit(&self, path: Path<'_>, visitor: &mut dyn FnMut(Path<'_>, &Tensor<E>));

    /// Calls `visitor` with the name of each tensor and the tensor itself, for changing it.
    fn visit_mut(&mut self, path: Path<'_>, visitor: &mut dyn FnMut(Path<'_>, &mut Tensor<E>));

    /// The names and tensors, in the order of visiting.
    ///
    /// ```
    /// use downhill_tensor::{Parameters, Tensor};
    ///
    /// let pair = [Tensor::parameter(1.0), Tensor::parameter(2.0)];
    /// let names: Vec<String> = pair.named().into_iter().map(|(name, _)| name).collect();
    /// assert_eq!(names, ["0", "1"]);
    /// ```
    fn named(&self) -> Vec<(String, Tensor<E>)> {
        let mut named = Vec::new();
        self.visit(Path::ROOT, &mut |path, tensor| named.push((path.to_string(), tensor.clone())));
        named
    }

    /// The number of values in all parameters.
    fn parameter_count(&self) -> usize {
        let mut count = 0;
        self.visit(Path::ROOT, &mut |_, tensor| {
            count += if tensor.is_parameter() { tensor.len() } else { 0 };
        });
        count
    }
}

/// The way from a model to one of its tensors; displays as `hidden.0.weight`.
///
/// A path lives on the stack and is put into words only when someone asks, so that visiting a
/// model on every step costs no allocation.
#[derive(Clone, Copy)]
pub struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    segment: Segment<'a>,
}

#[derive(Clone, Copy)]
enum Segment<'a> {
    Root,
    Field(&'a str),
    Index(usize),
}

impl<'a> Path<'a> {
    /// The path to the model itself, with an empty name.
    pub const ROOT: Path<'static> = Path { parent: None, segment: Segment::Root };

    /// The path to a field of what this path leads to.
    pub fn field(&'a self, name: &'a str) -> Path<'a> {
        Path { parent: Some(self), segment: Segment::Field(name) }
    }

    /// The path to an element of the sequence this path leads to.
    pub fn index(&'a self, index: usize) -> Path<'a> {
        Path { parent: Some(self), segment: Segment::Index(index) }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent
            && !matches!(parent.segment, Segment::Root)
        {
            write!(f, "{parent}.")?;
        }
        match self.segment {
            Segment::Root => Ok(()),
            Segment::Field(name) => f.write_str(name),
            Segment::Index(index) => write!(f, "{index}"),
        }
    }
}

impl fmt::Debug for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Path({self})")
    }
}

impl<E: Element> Parameters<E> for Tensor<E> {
    fn visit(&self, path: Path<'_>, visitor: &mut dyn FnMut(Path<'_>, &Tensor<E>)) {
        visitor(path, self);
    }

    fn visit_mut(&mut self, path: Path<'_>, visitor: &mut dyn FnMut(Path<'_>, &mut Tensor<E>)) {
        visitor(path, self);
    }
}

/// Implements [`Parameters`] for a struct, by visiting the fields named.
///
/// What is in braces is a pattern of the struct, so that the compiler finds a field that was
/// forgotten: every field is named, and one that holds no tensors is left out as `field: _`. A
/// struct that is generic over the element names it as in the second form.
///
/// ```
/// use downhill_tensor::{Element, Parameters, Tensor, parameters};
///
/// struct Line {
///     slope: Tensor,
///     intercept: Tensor,
/// }
/// parameters!(Line { slope, intercept });
///
/// struct Bend<E: Element> {
///     left: [Tensor<E>; 2],
///     at: f64,
/// }
/// parameters!(Bend<E> { left, at: _ });
///
/// let line = Line { slope: Tensor::parameter(2.0), intercept: Tensor::parameter(1.0) };
/// let names: Vec<String> = line.named().into_iter().map(|(name, _)| name).collect();
/// assert_eq!(names, ["slope", "intercept"]);
/// ```
///
/// A field that would never learn is an error of the compiler, which names it:
///
/// ```compile_fail,E0027
/// # use downhill_tensor::{Parameters, Tensor, parameters};
/// struct Line {
///     slope: Tensor,
///     intercept: Tensor,
/// }
/// parameters!(Line { slope });
/// ```
#[macro_export]
macro_rules! parameters {
    ($model:tt $fields:tt) => {
        $crate::parameters!(@implement [] f32, $model, $model, $fields, $fields);
    };
    ($model:tt<$element:ident> $fields:tt) => {
        $crate::parameters!(
            @implement [$element: $crate::Element] $element,
            $model<$element>, $model, $fields, $fields
        );
    };
    // The pattern comes once more as a whole: the compiler's error is then about the caller's.
    (
        @implement [$($generics:tt)*] $element:ty,
        $model:ty, $name:tt, $fields:tt, { $($field:ident $(: $skipped:tt)?),* $(,)? }
    ) => {
        impl<$($generics)*> $crate::Parameters<$element> for $model {
            fn visit(
                &self,
                path: $crate::Path<'_>,
                visitor: &mut dyn ::std::ops::FnMut($crate::Path<'_>, &$crate::Tensor<$element>),
            ) {
                let _ = (&path, &visitor);
                let $name $fields = self;
                $($crate::parameters!(@part visit(path, visitor) $field $(: $skipped)?);)*
            }

            fn visit_mut(
                &mut self,
                path: $crate::Path<'_>,
                visitor: &mut dyn ::std::ops::FnMut($crate::Path<'_>, &mut $crate::Tensor<$element>),
            ) {
                let _ = (&path, &visitor);
                let $name $fields = self;
                $($crate::parameters!(@part visit_mut(path, visitor) $field $(: $skipped)?);)*
            }
        }
    };
    (@part $visit:ident($path:ident, $visitor:ident) $field:ident) => {
        $crate::Parameters::$visit($field, $path.field(stringify!($field)), $visitor);
    };
    (@part $visit:ident($path:ident, $visitor:ident) $field:ident: _) => {};
}
