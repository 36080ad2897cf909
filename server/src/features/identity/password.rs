//! Passwords of people with powers: Argon2id, a salt each, kept as PHC strings.

use std::sync::LazyLock;

use argon2::password_hash::phc::PasswordHash as Phc;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use unicode_normalization::UnicodeNormalization;

use crate::platform::ids::{Chance, Secret};

/// The shortest password, in characters.
pub const PASSWORD_CHARS_MIN: usize = 12;
/// The longest password, in bytes: more is somebody trying how much we hash.
pub const PASSWORD_BYTES_MAX: usize = 512;

/// A password somebody typed. Prints as `…`.
#[derive(Clone, Debug)]
pub struct Password(Secret);

/// What is kept of a password: a PHC string. Prints as `…`.
#[derive(Clone, Debug)]
pub struct PasswordHash(Secret);

/// Why a new password is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPassword {
    /// Fewer than [`PASSWORD_CHARS_MIN`] characters.
    #[error("the password has fewer than {PASSWORD_CHARS_MIN} characters")]
    TooShort,
    /// More than [`PASSWORD_BYTES_MAX`] bytes.
    #[error("the password has more than {PASSWORD_BYTES_MAX} bytes")]
    TooLong,
    /// One character over and over.
    #[error("the password is one character repeated")]
    OneCharacter,
}

impl Password {
    /// A password that shall be set; the same text typed on another keyboard stays the same (NFC).
    pub fn parse(text: &str) -> Result<Self, BadPassword> {
        if text.len() > PASSWORD_BYTES_MAX {
            return Err(BadPassword::TooLong);
        }
        let password: String = text.nfc().collect();
        if password.chars().count() < PASSWORD_CHARS_MIN {
            return Err(BadPassword::TooShort);
        }
        let mut chars = password.chars();
        let first = chars.next();
        if chars.all(|c| Some(c) == first) {
            return Err(BadPassword::OneCharacter);
        }
        Ok(Self(Secret::new(password)))
    }

    /// A password that shall be compared, whatever its form. One that is too long is no password of ours, and the
    /// empty one that stands for it costs the same hash.
    pub fn tried(text: &str) -> Self {
        let text = if text.len() > PASSWORD_BYTES_MAX {
            ""
        } else {
            text
        };
        Self(Secret::new(text.nfc().collect()))
    }

    /// Under a pepper that the database does not hold. Slow on purpose (19 MiB, 2 passes): call it off the runtime.
    pub fn slow_hash(&self, pepper: &[u8; 32], chance: &dyn Chance) -> PasswordHash {
        let mut salt = [0; 16];
        chance.fill(&mut salt);
        let phc: Phc = argon2(pepper)
            .hash_password_with_salt(self.0.expose().as_bytes(), &salt)
            .expect("a password below 512 bytes and a salt of 16 are within the bounds of Argon2");
        PasswordHash(Secret::new(phc.to_string()))
    }

    /// Whether this is the password of that hash; without a hash the same work is done, and it never is.
    /// Slow on purpose: call it off the runtime.
    pub fn slow_verify(&self, hash: Option<&PasswordHash>, pepper: &[u8; 32]) -> bool {
        let phc = hash.and_then(|hash| Phc::new(hash.0.expose()).ok());
        let is_real = phc.is_some();
        let phc = phc.as_ref().unwrap_or(&NOBODYS);
        let fits = argon2(pepper)
            .verify_password(self.0.expose().as_bytes(), phc)
            .is_ok();
        fits && is_real
    }
}

impl PasswordHash {
    /// From the store.
    pub fn new(phc: String) -> Self {
        Self(Secret::new(phc))
    }

    /// For the store.
    pub fn as_phc(&self) -> &str {
        self.0.expose()
    }
}

fn argon2(pepper: &[u8; 32]) -> Argon2<'_> {
    let params = Params::default();
    Argon2::new_with_secret(pepper, Algorithm::Argon2id, Version::V0x13, params)
        .expect("a secret of 32 bytes is within the bounds of Argon2")
}

/// What an id that does not exist is compared with, so that it takes as long as one that does.
static NOBODYS: LazyLock<Phc> = LazyLock::new(|| {
    Argon2::default()
        .hash_password_with_salt(b"nobody", &[0; 16])
        .expect("the bounds of Argon2 are kept")
});

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::ids::SystemChance;

    #[test]
    fn a_password_is_verified_and_another_is_not() {
        let password = Password::parse("雨やどりの縁側でお茶をのむ").expect("long enough");
        let hash = password.slow_hash(&[1; 32], &SystemChance);
        assert!(hash.as_phc().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        let read = PasswordHash::new(hash.as_phc().to_owned());
        assert!(Password::tried("雨やどりの縁側でお茶をのむ").slow_verify(Some(&read), &[1; 32]));
        assert!(!Password::tried("雨やどりの縁側でお茶").slow_verify(Some(&read), &[1; 32]));
        assert!(!Password::tried("nobody").slow_verify(None, &[1; 32]));
        assert!(!password.slow_verify(Some(&PasswordHash::new("broken".to_owned())), &[1; 32]));
        assert!(!password.slow_verify(Some(&read), &[2; 32]));
        assert_eq!(
            format!("{password:?} {hash:?}"),
            "Password(…) PasswordHash(…)"
        );
    }

    #[test]
    fn decomposed_text_is_the_same_password() {
        let password = Password::parse("がぎぐげござじずぜぞだぢ").expect("long enough");
        let hash = password.slow_hash(&[1; 32], &SystemChance);
        let decomposed: String = "がぎぐげござじずぜぞだぢ".nfd().collect();
        assert!(Password::tried(&decomposed).slow_verify(Some(&hash), &[1; 32]));
    }

    #[test]
    fn short_long_and_dull_passwords_are_not_taken() {
        let parsed = |text: &str| Password::parse(text).map(|_| ());
        assert_eq!(parsed("12345678901"), Err(BadPassword::TooShort));
        assert_eq!(
            parsed("か\u{3099}き\u{3099}く\u{3099}"),
            Err(BadPassword::TooShort)
        );
        assert_eq!(parsed("aaaaaaaaaaaaaaaa"), Err(BadPassword::OneCharacter));
        assert_eq!(parsed(&"ab".repeat(300)), Err(BadPassword::TooLong));
        assert_eq!(parsed("123456789012"), Ok(()));
    }
}
