//! Permission bits: octal, or symbolic as for chmod(1).

use std::fmt;

/// Permission bits as the profile writes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mode {
    text: String,
    form: Form,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Form {
    Octal(u32),
    Clauses(Vec<Clause>),
}

/// One clause: `u+x`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Clause {
    /// The bits of the classes that it changes.
    classes: u32,
    operation: Operation,
    /// The bits `rwx`, for all classes.
    bits: u32,
    /// `X`: the execute bit, if it is a folder or any class has the bit.
    conditional: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Add,
    Remove,
    Set,
}

impl Mode {
    /// Parses a mode. `None` if it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let is_octal = (3..=4).contains(&text.len()) && text.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
        let form = if is_octal {
            // The set-user-id bit would make each content a program of the owner.
            Form::Octal(u32::from_str_radix(text, 8).ok().filter(|mode| mode & 0o4000 == 0)?)
        } else {
            Form::Clauses(text.split(',').map(clause).collect::<Option<Vec<Clause>>>()?)
        };
        Some(Self { text: text.to_owned(), form })
    }

    /// The permission bits of a file that has these now.
    pub fn of(&self, current: u32, is_folder: bool) -> u32 {
        match &self.form {
            Form::Octal(mode) => *mode,
            Form::Clauses(clauses) => clauses.iter().fold(current, |mode, clause| clause.applied(mode, is_folder)),
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.form {
            Form::Octal(mode) => write!(f, "{mode:04o}"),
            Form::Clauses(_) => f.write_str(&self.text),
        }
    }
}

fn clause(text: &str) -> Option<Clause> {
    let at = text.find(['+', '-', '='])?;
    let (classes, rest) = text.split_at(at);
    let mut mask = 0;
    for class in classes.chars() {
        mask |= match class {
            'u' => 0o700,
            'g' => 0o070,
            'o' => 0o007,
            'a' => 0o777,
            _ => return None,
        };
    }
    let operation = match rest.as_bytes()[0] {
        b'+' => Operation::Add,
        b'-' => Operation::Remove,
        _ => Operation::Set,
    };
    let (mut bits, mut conditional) = (0, false);
    for bit in rest[1..].chars() {
        match bit {
            'r' => bits |= 0o444,
            'w' => bits |= 0o222,
            'x' => bits |= 0o111,
            'X' => conditional = true,
            _ => return None,
        }
    }
    Some(Clause { classes: if mask == 0 { 0o777 } else { mask }, operation, bits, conditional })
}

impl Clause {
    fn applied(self, mode: u32, is_folder: bool) -> u32 {
        let execute = self.conditional && (is_folder || mode & 0o111 != 0);
        let bits = (self.bits | if execute { 0o111 } else { 0 }) & self.classes;
        match self.operation {
            Operation::Add => mode | bits,
            Operation::Remove => mode & !bits,
            Operation::Set => mode & !self.classes | bits,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octal_modes_are_absolute_and_symbolic_ones_change_the_present_bits() {
        let of = |text: &str, current, is_folder| Mode::parse(text).expect("a mode").of(current, is_folder);
        assert_eq!(of("0640", 0o777, false), 0o640);
        assert_eq!(of("2775", 0, true), 0o2775);
        assert_eq!(of("u+x", 0o644, false), 0o744);
        assert_eq!(of("a+rX", 0o600, false), 0o644);
        assert_eq!(of("a+rX", 0o700, false), 0o755);
        assert_eq!(of("a+rX", 0o600, true), 0o755);
        assert_eq!(of("+x,o-rwx", 0o644, false), 0o750);
        assert_eq!(of("go=r", 0o777, false), 0o744);
        assert_eq!(of("u=", 0o777, false), 0o077);
    }

    #[test]
    fn other_texts_are_no_modes() {
        for text in ["", "4755", "rw", "u", "u+y", "0999", "99", "07555", "u+x,", "u+s", "q+x"] {
            assert_eq!(Mode::parse(text), None, "{text}");
        }
    }
}
