//! 明るさと文字: what a person chose for their eyes and ears, in the cookie `look`.

use super::values::values;

/// The name of the cookie.
pub const LOOK_COOKIE: &str = "look";
/// How long the cookie stays, in seconds: a year.
pub const LOOK_COOKIE_MAX_AGE_S: u32 = 31_536_000;

values! {
    /// Brightness.
    Theme {
        /// As the device asks.
        Auto = "auto", "look.auto";
        /// 昼.
        Light = "light", "look.light";
        /// 夕.
        Dim = "dim", "look.dim";
        /// 夜.
        Dark = "dark", "look.dark";
    }
}

values! {
    /// Size of letters.
    Letters {
        /// As the device has it.
        Normal = "normal", "look.normal";
        /// A step up.
        Large = "large", "look.large";
        /// Two steps up.
        Larger = "larger", "look.larger";
    }
}

impl Theme {
    /// The value of `data-theme`, absent where the device decides.
    pub fn attr(&self) -> Option<&'static str> {
        match self {
            Self::Auto => None,
            Self::Light | Self::Dim | Self::Dark => Some(self.wire()),
        }
    }
}

impl Letters {
    /// The value of `data-letters`, absent for the ordinary size.
    pub fn attr(&self) -> Option<&'static str> {
        match self {
            Self::Normal => None,
            Self::Large | Self::Larger => Some(self.wire()),
        }
    }
}

/// What was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Brightness.
    pub theme: Theme,
    /// Size of letters.
    pub letters: Letters,
    /// Whether new lines are read aloud by a screen reader.
    pub announce: bool,
}

impl Default for Look {
    fn default() -> Self {
        Self {
            theme: Theme::Auto,
            letters: Letters::Normal,
            announce: true,
        }
    }
}

impl Look {
    /// Reads the cookie's value; what cannot be read is as if nothing had been chosen.
    pub fn parse(cookie: &str) -> Self {
        let mut parts = cookie.split('.');
        Self {
            theme: parts
                .next()
                .and_then(Theme::from_wire)
                .unwrap_or(Theme::Auto),
            letters: parts
                .next()
                .and_then(Letters::from_wire)
                .unwrap_or(Letters::Normal),
            announce: parts.next() != Some("quiet"),
        }
    }

    /// Reads the form of `/look` (fields `theme`, `letters`, `announce`).
    pub fn from_form(theme: &str, letters: &str, announce: &str) -> Self {
        Self {
            theme: Theme::from_wire(theme).unwrap_or(Theme::Auto),
            letters: Letters::from_wire(letters).unwrap_or(Letters::Normal),
            announce: announce != "off",
        }
    }

    /// The cookie's value.
    pub fn cookie(&self) -> String {
        let announce = if self.announce { "aloud" } else { "quiet" };
        format!("{}.{}.{announce}", self.theme.wire(), self.letters.wire())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_comes_back_as_it_was_chosen_and_rubbish_is_nothing() {
        for theme in Theme::ALL {
            for letters in Letters::ALL {
                let look = Look {
                    theme: *theme,
                    letters: *letters,
                    announce: false,
                };
                assert_eq!(Look::parse(&look.cookie()), look);
            }
        }
        assert_eq!(Look::parse("\"><script>"), Look::default());
    }
}
