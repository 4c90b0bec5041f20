//! What the three wrappers that turn a rule into a loss have in common.

/// Defines a wrapper: a rule, what becomes of the losses of a batch, and further options.
macro_rules! wrapper {
    ($(#[$doc:meta])* $Wrapper:ident: $Rule:ident {$(
        $(#[$option_doc:meta])* $option:ident: $Option:ty = $default:expr,
    )*}) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $Wrapper<R> {
            pub(crate) rule: R,
            reduction: $crate::reduction::Reduction,
            $($option: $Option,)*
        }

        impl<R: Default> Default for $Wrapper<R> {
            fn default() -> Self {
                Self::with_rule(R::default())
            }
        }

        impl<R: Default> $Wrapper<R> {
            /// With the rule's default options, reduced to the mean.
            pub fn new() -> Self {
                Self::default()
            }
        }

        impl<R> $Wrapper<R> {
            #[doc = concat!("A loss by a [`", stringify!($Rule), "`], reduced to the mean.")]
            pub fn with_rule(rule: R) -> Self {
                Self { rule, reduction: $crate::reduction::Reduction::Mean, $($option: $default,)* }
            }

            /// What becomes of the losses of a batch.
            pub fn reduction(mut self, reduction: $crate::reduction::Reduction) -> Self {
                self.reduction = reduction;
                self
            }

            $(
                $(#[$option_doc])*
                pub fn $option(mut self, $option: $Option) -> Self {
                    self.$option = $option;
                    self
                }
            )*
        }
    };
}
pub(crate) use wrapper;

/// Defines the function that stands for a loss with its default options.
macro_rules! plain_function {
    ($function:ident: $Loss:ident($input:ident, $target:ident)) => {
        plain_function!([] $function: $Loss($input, $target: &Tensor<E>));
    };
    ($function:ident: $Loss:ident($input:ident, $target:ident: $Target:ty)) => {
        plain_function!(['a,] $function: $Loss($input, $target: $Target));
    };
    ([$($lifetime:tt)*] $function:ident: $Loss:ident($input:ident, $target:ident: $Target:ty)) => {
        #[doc = concat!("The mean loss of ", stringify!($input), " and ", stringify!($target))]
        #[doc = concat!("of a batch: [`", stringify!($Loss), "`] with default options.")]
        ///
        /// # Errors
        ///
        #[doc = concat!("As [`", stringify!($Loss), "::forward`].")]
        pub fn $function<$($lifetime)* E: Element>(
            $input: &Tensor<E>,
            $target: $Target,
        ) -> Result<Tensor<E>, $crate::error::Error> {
            $Loss::new().forward($input, $target)
        }
    };
}
pub(crate) use plain_function;
