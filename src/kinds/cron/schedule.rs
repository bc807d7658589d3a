//! Checks the times of a job as Debian's cron reads them: crontab(5), and `entry.c` of its source.

/// The words that stand for five fields.
const WORDS: [&str; 8] = ["@reboot", "@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"];
const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS: [&str; 8] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// A field of a schedule.
struct Field {
    name: &'static str,
    min: u32,
    max: u32,
    /// The names of values, from `min`.
    names: &'static [&'static str],
}

const FIELDS: [Field; 5] = [
    Field { name: "minute", min: 0, max: 59, names: &[] },
    Field { name: "hour", min: 0, max: 23, names: &[] },
    Field { name: "day of month", min: 1, max: 31, names: &[] },
    Field { name: "month", min: 1, max: 12, names: &MONTHS },
    Field { name: "day of week", min: 0, max: 7, names: &DAYS },
];

/// The schedule with single spaces. The error is the reason why cron cannot read it.
pub(super) fn parse(text: &str) -> Result<String, String> {
    let fields: Vec<&str> = text.split([' ', '\t']).filter(|field| !field.is_empty()).collect();
    if let [word] = fields[..]
        && word.starts_with('@')
    {
        let is_known = WORDS.contains(&word);
        return if is_known { Ok(word.to_owned()) } else { Err(format!("`{word}` is not a word of cron")) };
    }
    if fields.len() != FIELDS.len() {
        return Err(format!("it has {} fields, not five", fields.len()));
    }
    for (text, field) in fields.iter().zip(&FIELDS) {
        for part in text.split(',') {
            check_part(part, field).map_err(|reason| format!("the {} `{text}` {reason}", field.name))?;
        }
    }
    Ok(fields.join(" "))
}

/// Checks `*`, `a`, `a-b`, `*/n` or `a-b/n`.
fn check_part(part: &str, field: &Field) -> Result<(), String> {
    let (range, step) = part.split_once('/').map_or((part, None), |(range, step)| (range, Some(step)));
    let is_range = match range.split_once('-') {
        _ if range == "*" => true,
        Some((first, last)) => {
            let (first, last) = (value(first, field)?, value(last, field)?);
            if first > last {
                return Err("begins with the larger value".to_owned());
            }
            true
        }
        None => value(range, field).map(|_| false)?,
    };
    match step.map(str::parse::<u32>) {
        None => Ok(()),
        Some(_) if !is_range => Err("has a step without a range".to_owned()),
        Some(Ok(step)) if (1..=field.max).contains(&step) => Ok(()),
        Some(_) => Err(format!("has a step that is not a number from 1 to {}", field.max)),
    }
}

fn value(text: &str, field: &Field) -> Result<u32, String> {
    let Field { min, max, names, .. } = field;
    let is_number = !text.is_empty() && text.len() <= 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse::<u32>().ok().filter(|number| is_number && (min..=max).contains(&number));
    let by_name =
        || names.iter().position(|name| name.eq_ignore_ascii_case(text)).and_then(|at| u32::try_from(at).ok());
    number.or_else(|| by_name().map(|index| index + min)).ok_or_else(|| match names {
        [] => format!("is not between {min} and {max}"),
        _ => format!("is neither between {min} and {max} nor a name such as `{}`", names[1]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_of_cron_are_accepted() {
        for text in [
            "* * * * *",
            "*/5 * * * *",
            "0 4 1-7 * mon",
            "0,30 8-18/2 * jan-mar,DEC 1-5",
            "59 23 31 12 7",
            "@daily",
            "@reboot",
        ] {
            assert_eq!(parse(text).as_deref(), Ok(text));
        }
        assert_eq!(parse(" 0\t4  * * * ").as_deref(), Ok("0 4 * * *"));
    }

    #[test]
    fn each_mistake_has_a_reason() {
        for (text, reason) in [
            ("", "it has 0 fields, not five"),
            ("* * * *", "it has 4 fields, not five"),
            ("* * * * * *", "it has 6 fields, not five"),
            ("@fortnightly", "`@fortnightly` is not a word of cron"),
            ("60 * * * *", "the minute `60` is not between 0 and 59"),
            ("* * 0 * *", "the day of month `0` is not between 1 and 31"),
            ("* * * jam *", "the month `jam` is neither between 1 and 12 nor a name such as `feb`"),
            ("* * * * 8", "the day of week `8` is neither between 0 and 7 nor a name such as `mon`"),
            ("5/10 * * * *", "the minute `5/10` has a step without a range"),
            ("*/0 * * * *", "the minute `*/0` has a step that is not a number from 1 to 59"),
            ("30-10 * * * *", "the minute `30-10` begins with the larger value"),
            ("1,,2 * * * *", "the minute `1,,2` is not between 0 and 59"),
            ("+1 * * * *", "the minute `+1` is not between 0 and 59"),
        ] {
            assert_eq!(parse(text), Err(reason.to_owned()), "{text}");
        }
    }
}
