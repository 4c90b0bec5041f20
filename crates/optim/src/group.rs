//! Parameters that are stepped differently from the rest.

use downhill_tensor::Element;

use crate::error::{Error, check_in};

/// Parameters, chosen by name, that have a learning rate or weight decay of their own, or with
/// [`group_with`](crate::FirstOrder::group_with) any option.
///
/// A parameter that several groups match gets the settings of all of them; where they contradict
/// each other, the group that was added last decides.
///
/// ```
/// use downhill_optim::{ParameterGroup, Sgd};
///
/// let optimizer = Sgd::<f32>::new(0.1)
///     .weight_decay(1e-4)
///     .group(ParameterGroup::matching("*.bias").weight_decay(0.0))
///     .group(ParameterGroup::matching("embedding.*").learning_rate_factor(0.1))
///     .group(ParameterGroup::matching("backbone.*").frozen());
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct ParameterGroup {
    pattern: String,
    settings: Settings,
}

/// In what way a parameter departs from the optimizer's own settings.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Settings {
    pub(crate) learning_rate_factor: Option<f64>,
    pub(crate) weight_decay: Option<f64>,
    pub(crate) frozen: bool,
}

impl ParameterGroup {
    /// The parameters whose name, such as `hidden.0.weight`, fits `pattern`, in which each `*`
    /// stands for any characters, or none.
    pub fn matching(pattern: impl Into<String>) -> Self {
        Self { pattern: pattern.into(), settings: Settings::default() }
    }

    /// Multiplies the learning rate by `factor`. A schedule that changes the optimizer's learning
    /// rate so changes the group's in proportion.
    pub fn learning_rate_factor(mut self, factor: f64) -> Self {
        self.settings.learning_rate_factor = Some(factor);
        self
    }

    /// Replaces the optimizer's weight decay.
    pub fn weight_decay(mut self, weight_decay: f64) -> Self {
        self.settings.weight_decay = Some(weight_decay);
        self
    }

    /// Leaves these parameters as they are. So two optimizers can share a model, each of them
    /// with what the other steps frozen.
    pub fn frozen(mut self) -> Self {
        self.settings.frozen = true;
        self
    }

    pub(crate) fn pattern(&self) -> &str {
        &self.pattern
    }

    pub(crate) fn own_weight_decay(&self) -> Option<f64> {
        self.settings.weight_decay
    }

    /// Whether the parameter of this name belongs to the group.
    pub(crate) fn holds(&self, name: &str) -> bool {
        fits(&self.pattern, name)
    }

    pub(crate) fn validate<E: Element>(&self) -> Result<(), Error> {
        let Settings { learning_rate_factor, weight_decay, .. } = self.settings;
        for (name, value) in
            [("learning_rate_factor", learning_rate_factor), ("weight_decay", weight_decay)]
        {
            if let Some(value) = value {
                check_in::<E>(&format!("{name} of group `{}`", self.pattern), value, 0.0..)?;
            }
        }
        Ok(())
    }

    /// Overrides `settings` if the group matches the name; returns whether it does.
    pub(crate) fn apply(&self, name: &str, settings: &mut Settings) -> bool {
        let matches = self.holds(name);
        if matches {
            let own = self.settings;
            settings.learning_rate_factor =
                own.learning_rate_factor.or(settings.learning_rate_factor);
            settings.weight_decay = own.weight_decay.or(settings.weight_decay);
            settings.frozen |= own.frozen;
        }
        matches
    }
}

fn fits(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut name) = name.strip_prefix(start) else { return false };
    let (middle, end) = rest.rsplit_once('*').unwrap_or(("", rest));
    // Each piece at its first occurrence leaves the most room for those after it.
    for piece in middle.split('*') {
        let Some(at) = name.find(piece) else { return false };
        name = &name[at + piece.len()..];
    }
    name.ends_with(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, name) in [
            ("bias", "bias"),
            ("*", ""),
            ("*", "hidden.0.weight"),
            ("*.bias", "hidden.0.bias"),
            ("hidden.*", "hidden.0.weight"),
            ("hidden.*.weight", "hidden.0.weight"),
            ("*norm*", "blocks.1.norm.weight"),
            ("*norm*", "norm"),
            ("a*b*c", "a.b.b.c"),
            ("*aab", "aaab"),
            ("*ab*ab", "abab"),
        ] {
            assert!(fits(pattern, name), "`{pattern}` should match `{name}`");
        }
        for (pattern, name) in [
            ("bias", "hidden.bias"),
            ("", "bias"),
            ("*.bias", "bias"),
            ("*.bias", "hidden.bias.0"),
            ("hidden.*", "output.hidden.0"),
            ("ab*ba", "aba"),
            ("*ab*ab", "ab"),
            ("a*b*c", "a.c.b"),
        ] {
            assert!(!fits(pattern, name), "`{pattern}` should not match `{name}`");
        }
    }

    #[test]
    fn a_later_group_overrides_what_it_sets() {
        let groups = [
            ParameterGroup::matching("*").weight_decay(0.1).learning_rate_factor(2.0),
            ParameterGroup::matching("*.bias").weight_decay(0.0),
            ParameterGroup::matching("*.weight").frozen(),
        ];
        let mut settings = Settings::default();
        let matched: Vec<bool> =
            groups.iter().map(|group| group.apply("hidden.bias", &mut settings)).collect();
        assert_eq!(matched, [true, true, false]);
        assert_eq!(
            settings,
            Settings { learning_rate_factor: Some(2.0), weight_decay: Some(0.0), frozen: false }
        );
    }
}
