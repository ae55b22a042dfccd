//! Words for a remote shell. sshd hands one string to the login shell; what reaches the program
//! must be what was meant, whatever it holds.

use std::fmt::Write as _;

/// One word, in single quotes unless it needs none.
pub(super) fn quote(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+:@%".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Words, separated by blanks.
pub(super) fn join<I: AsRef<str>>(words: impl IntoIterator<Item = I>) -> String {
    let mut line = String::new();
    for (index, word) in words.into_iter().enumerate() {
        let gap = if index == 0 { "" } else { " " };
        // Writing to a string does not fail.
        let _written = write!(line, "{gap}{}", quote(word.as_ref()));
    }
    line
}

/// A POSIX script as a command for a login shell of any kind.
pub(super) fn script(text: &str) -> String {
    format!("exec sh -c {}", quote(text))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_shell_gives_back_what_was_meant() {
        let words = ["plain", "", "two words", "it's", "$HOME `id`", "a\nb", "--x=*", "\\", "'", "é"];
        let line = format!("for word in {}; do printf '%s|' \"$word\"; done", join(words));
        let output = Command::new("sh").args(["-c", &script(&line)]).output().unwrap();
        let expected: String = words.iter().map(|word| format!("{word}|")).collect();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
    }

    #[test]
    fn what_needs_no_quotes_stays_readable() {
        assert_eq!(join(["agent", "pull", "/dev/vdb", "--size", "5"]), "agent pull /dev/vdb --size 5");
    }
}
