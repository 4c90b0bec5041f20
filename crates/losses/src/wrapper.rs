//! What losses have in common that a trait cannot give them: the wrappers of rules, options and the
//! plain functions.

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

/// Defines a loss or a rule by its options, each with its setter's argument, its type, its default
/// and what it is set to. `in rule` says that the loss is a wrapper around the rule.
macro_rules! options {
    ($(#[$doc:meta])* $Struct:ident in rule of $Loss:ident $options:tt) => {
        options!(@struct [$(#[$doc])*] $Struct $options);
        options!(@setters $Loss [rule] $options);
    };
    ($(#[$doc:meta])* $Struct:ident $options:tt) => {
        options!(@struct [$(#[$doc])*] $Struct $options);
        options!(@setters $Struct [] $options);

        impl $Struct {
            /// With the default options, reduced to the mean.
            pub fn new() -> Self {
                Self::default()
            }
        }
    };
    (@struct [$(#[$doc:meta])*] $Struct:ident {$(
        $(#[$option_doc:meta])*
        $option:ident($($argument:ident: $Argument:ty)?): $Option:ty = $default:expr => $value:expr;
    )*}) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $Struct {
            $($option: $Option,)*
        }

        impl Default for $Struct {
            fn default() -> Self {
                Self { $($option: $default,)* }
            }
        }
    };
    (@setters $Loss:ident $place:tt {$(
        $(#[$option_doc:meta])*
        $option:ident($($argument:ident: $Argument:ty)?): $Option:ty = $default:expr => $value:expr;
    )*}) => {
        impl $Loss {$(
            $(#[$option_doc])*
            pub fn $option(mut self $(, $argument: $Argument)?) -> Self {
                options!(@set self $place $option $value);
                self
            }
        )*}
    };
    (@set $loss:ident [rule] $option:ident $value:expr) => {
        $loss.rule.$option = $value;
    };
    (@set $loss:ident [] $option:ident $value:expr) => {
        $loss.$option = $value;
    };
}
pub(crate) use options;
