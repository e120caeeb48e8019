//! Sizes, rates and durations as a person reads them.

use std::time::Duration;

/// So many bytes, in the unit that leaves one to four digits: `0 B`, `812 B`, `4.2 MiB`, `103 GiB`.
pub fn human_size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut size = bytes as f64 / 1024.0;
    let mut unit = UNITS[0];
    for next in &UNITS[1..] {
        // What would be rounded to 1024 is 1 of the next unit.
        if size < 1023.5 {
            break;
        }
        size /= 1024.0;
        unit = next;
    }
    // From 100 on the first decimal says nothing; and 99.95 is rounded to 100.
    if size < 99.95 { format!("{size:.1} {unit}") } else { format!("{size:.0} {unit}") }
}

/// So many bytes in so much time: `84.1 MiB/s`. Nothing can be said of no time.
pub fn human_rate(bytes: u64, time: Duration) -> Option<String> {
    let seconds = time.as_secs_f64();
    // Bytes a second beyond what a u64 holds become its greatest.
    (seconds > 0.0).then(|| format!("{}/s", human_size((bytes as f64 / seconds) as u64)))
}

/// A duration in its two greatest units: `0.4 s`, `12 s`, `3 min 05 s`, `2 h 07 min`, `1 d 03 h`.
pub fn human_duration(time: Duration) -> String {
    let seconds = time.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    match seconds {
        0..10 => format!("{:.1} s", (time.as_secs_f64() * 10.0).floor() / 10.0),
        10..60 => format!("{seconds} s"),
        60..3600 => format!("{minutes} min {:02} s", seconds % 60),
        3600..86400 => format!("{hours} h {:02} min", minutes % 60),
        _ => format!("{days} d {:02} h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_one_decimal_until_it_says_nothing() {
        let sizes = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (33_345_000, "31.8 MiB"),
            (104_805_171, "99.9 MiB"),
            (104_806_000, "100 MiB"),
            (1_048_052, "1023 KiB"),
            (1_048_064, "1.0 MiB"),
            (110_595_407_872, "103 GiB"),
            (u64::MAX, "16.0 EiB"),
        ];
        for (bytes, text) in sizes {
            assert_eq!(human_size(bytes), text);
        }
    }

    #[test]
    fn rates_need_time() {
        assert_eq!(human_rate(10 << 20, Duration::from_millis(500)).unwrap(), "20.0 MiB/s");
        assert_eq!(human_rate(u64::MAX, Duration::from_nanos(1)).unwrap(), "16.0 EiB/s");
        assert_eq!(human_rate(5, Duration::ZERO), None);
    }

    #[test]
    fn durations_have_two_units() {
        let durations = [
            (0, "0.0 s"),
            (450, "0.4 s"),
            (9_999, "9.9 s"),
            (12_900, "12 s"),
            (185_000, "3 min 05 s"),
            (7_620_000, "2 h 07 min"),
            (97_200_000, "1 d 03 h"),
        ];
        for (milliseconds, text) in durations {
            assert_eq!(human_duration(Duration::from_millis(milliseconds)), text);
        }
    }
}
