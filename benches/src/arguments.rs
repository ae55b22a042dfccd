//! The command line: words, and options that each take a value.

use std::collections::BTreeMap;
use std::str::FromStr;

use anyhow::{Context as _, Result, bail};

/// What the command line says.
#[derive(Debug, Default)]
pub(crate) struct Arguments {
    words: Vec<String>,
    options: BTreeMap<String, String>,
}

impl Arguments {
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Self> {
        let mut arguments = Self::default();
        while let Some(word) = words.next() {
            match word.strip_prefix("--") {
                Some(name) => {
                    let value = words.next().with_context(|| format!("{word} needs a value"))?;
                    arguments.options.insert(name.to_owned(), value);
                }
                None => arguments.words.push(word),
            }
        }
        Ok(arguments)
    }

    /// The value of an option, if it was given.
    pub(crate) fn option<T>(&mut self, name: &str) -> Result<Option<T>>
    where
        T: FromStr,
        T::Err: std::error::Error + Send + Sync + 'static,
    {
        let value = self.options.remove(name);
        value.map(|value| value.parse().with_context(|| format!("--{name} {value}"))).transpose()
    }

    /// The words, of which there must be exactly `N`; call it last.
    pub(crate) fn words<const N: usize>(&mut self) -> Result<[String; N]> {
        if let Some(name) = self.options.keys().next() {
            bail!("no such option: --{name}");
        }
        let words = std::mem::take(&mut self.words);
        words.try_into().map_err(|words: Vec<_>| anyhow::anyhow!("{N} words are needed, not {}", words.len()))
    }
}
