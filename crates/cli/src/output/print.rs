//! Results go to stdout.

use std::io::{self, ErrorKind, Write};

/// Writes a result to stdout. A reader that has seen enough (`| head`) is no error; a full disk is.
pub fn print(text: &str) -> io::Result<()> {
    print_to(&mut io::stdout().lock(), text)
}

fn print_to(out: &mut impl Write, text: &str) -> io::Result<()> {
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails every write in one way.
    struct Failing(ErrorKind);

    impl Write for Failing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_left_is_no_error_and_a_full_disk_is_one() {
        print_to(&mut Failing(ErrorKind::BrokenPipe), "text").unwrap();
        assert_eq!(
            print_to(&mut Failing(ErrorKind::StorageFull), "text").unwrap_err().kind(),
            ErrorKind::StorageFull
        );
    }

    #[test]
    fn a_real_pipe_that_was_closed_is_no_error() {
        let (reader, mut writer) = io::pipe().unwrap();
        drop(reader);
        print_to(&mut writer, &"row\n".repeat(100_000)).unwrap();
    }
}
