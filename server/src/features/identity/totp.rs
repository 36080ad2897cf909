//! The second factor of people with powers: RFC 6238, SHA-1, 6 digits, 30 s, one step of slack either way.

use std::fmt;

use fast_qr::convert::svg::SvgBuilder;
use fast_qr::qr::QRBuilder;
use totp_rs::{Algorithm, Builder, Secret, Totp};
use zeroize::Zeroizing;

use crate::platform::clock::Millis;
use crate::platform::ids::Chance;

const SECRET_BYTES: usize = 20;
const STEP_S: u64 = 30;
const ISSUER: &str = "Engawa";

/// A shared secret of 160 bits. Prints as `…`, is wiped when dropped.
#[derive(Clone)]
pub struct TotpSecret(Secret);

/// Which 30 seconds a code belongs to. The store keeps the last accepted one, and takes only later ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TotpStep(pub i64);

impl TotpSecret {
    /// A new random one.
    pub fn new(chance: &dyn Chance) -> Self {
        let mut bytes = Zeroizing::new([0; SECRET_BYTES]);
        chance.fill(&mut *bytes);
        Self(Secret::new_stack(*bytes))
    }

    /// From the store, unsealed; `None` when it is not 20 bytes long.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: [u8; SECRET_BYTES] = bytes.try_into().ok()?;
        Some(Self(Secret::new_stack(bytes)))
    }

    /// From base32 text, as [`base32`](Self::base32) wrote it.
    pub fn from_base32(text: &str) -> Option<Self> {
        Self::from_bytes(Secret::try_from_base32(text).ok()?.as_bytes())
    }

    /// The bytes, to be sealed.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// For typing into an app: base32 without padding.
    pub fn base32(&self) -> Zeroizing<String> {
        Zeroizing::new(self.0.to_base32())
    }

    /// The step whose code this is, if it is one of the steps around now. Whoever asks must refuse a step that is
    /// not later than the last accepted one: a code is good once.
    pub fn check(&self, code: &str, now: Millis) -> Option<TotpStep> {
        // People copy "123 456", and phones write full-width digits.
        let digits: String = code
            .chars()
            .filter(|c| !c.is_whitespace() && *c != '-')
            .map(|c| match c {
                '０'..='９' => char::from(b'0' + (c as u32 - '０' as u32) as u8),
                _ => c,
            })
            .collect();
        if digits.len() != 6 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let now_s = u64::try_from(now.get() / 1000).ok()?;
        let step = self.totp("-").check(&digits, now_s)?;
        i64::try_from(step).ok().map(TotpStep)
    }

    /// The code of this moment; for the demo and for tests.
    pub fn code(&self, now: Millis) -> String {
        let now_s = u64::try_from(now.get() / 1000).unwrap_or(0);
        self.totp("-").generate(now_s).to_string()
    }

    /// The address an app reads, with the account's id in it.
    pub fn otpauth_url(&self, account: &str) -> Zeroizing<String> {
        // A colon parts issuer and account, so it cannot stand in either.
        let url = self.totp(&account.replace(':', "_")).to_url();
        Zeroizing::new(url.expect("an issuer and an account are set"))
    }

    /// That address as a picture: an SVG element for the page itself, never a file.
    pub fn qr_svg(&self, account: &str) -> Zeroizing<String> {
        qr_svg(&self.otpauth_url(account))
    }

    fn totp(&self, account: &str) -> Totp {
        Builder::new()
            .with_algorithm(Algorithm::SHA1)
            .with_digits(6)
            .with_skew(1)
            .with_step_duration(STEP_S)
            .with_secret(self.0.clone())
            .with_issuer(Some(ISSUER))
            .with_account_name(account)
            .build()
            .expect("six digits, 160 bits and names without a colon keep to RFC 6238")
    }
}

/// An address of at most some hundred bytes as a picture: an SVG element for the page itself, never a file.
pub fn qr_svg(address: &str) -> Zeroizing<String> {
    // A host name is at most 253 bytes long, and a QR code holds more than a thousand.
    let code = QRBuilder::new(address.as_bytes())
        .build()
        .expect("an address of some hundred bytes fits into a QR code");
    Zeroizing::new(SvgBuilder::default().to_str(&code))
}

impl fmt::Debug for TotpSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::ids::SeededChance;

    fn rfc() -> TotpSecret {
        TotpSecret::from_bytes(b"12345678901234567890").expect("20 bytes")
    }

    #[test]
    fn the_examples_of_the_rfc_hold() {
        for (at_s, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (2_000_000_000, "279037"),
        ] {
            assert_eq!(rfc().code(Millis(at_s * 1000)), code);
            assert_eq!(
                rfc().check(code, Millis(at_s * 1000)),
                Some(TotpStep(at_s / 30))
            );
        }
    }

    #[test]
    fn one_step_of_slack_and_no_more() {
        let at = |s: i64| Millis(s * 1000);
        let code = rfc().code(at(3_000));
        assert_eq!(rfc().check(&code, at(3_000 + 30)), Some(TotpStep(100)));
        assert_eq!(rfc().check(&code, at(3_000 - 30)), Some(TotpStep(100)));
        assert_eq!(rfc().check(&code, at(3_000 + 60)), None);
        assert_eq!(rfc().check(&code, at(3_000 - 60)), None);
    }

    #[test]
    fn a_code_is_read_with_spaces_and_in_full_width() {
        let now = Millis(59_000);
        for code in ["287082", "287 082", "２８７０８２", " 287-082 "] {
            assert_eq!(rfc().check(code, now), Some(TotpStep(1)), "{code}");
        }
        for code in ["", "28708", "2870820", "+87082", "28708a"] {
            assert_eq!(rfc().check(code, now), None, "{code}");
        }
    }

    #[test]
    fn the_secret_travels_as_base32_address_and_picture() {
        let secret = TotpSecret::new(&SeededChance::new(1));
        let base32 = secret.base32();
        assert_eq!(base32.len(), 32);
        assert_eq!(
            TotpSecret::from_base32(&base32).map(|s| s.as_bytes().to_vec()),
            Some(secret.as_bytes().to_vec())
        );
        let url = secret.otpauth_url("m:1");
        assert!(url.starts_with("otpauth://totp/Engawa:m_1?"), "{}", &*url);
        assert!(url.contains(&*base32));
        let svg = secret.qr_svg("m1");
        assert!(svg.starts_with("<svg") && !svg.contains("style="));
        assert_eq!(format!("{secret:?}"), "…");
    }
}
