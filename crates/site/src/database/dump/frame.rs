//! What comes before all else in a dump, and what closes it.

use undercroft_vault::stream::SectionKind;

use super::context::Context;
use crate::database::error::DatabaseError;
use crate::database::wire::Connection;

/// The dump's last line, without which it is not whole.
pub const END_MARK: &str = "-- Dump completed\n";

/// Settings under which the dump means what it says, on any server; what was set before is kept.
const SET: &str = "\
/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;
/*!40101 SET @OLD_CHARACTER_SET_RESULTS=@@CHARACTER_SET_RESULTS */;
/*!40101 SET @OLD_COLLATION_CONNECTION=@@COLLATION_CONNECTION */;
/*!40101 SET NAMES utf8mb4 */;
/*!40103 SET @OLD_TIME_ZONE=@@TIME_ZONE */;
/*!40103 SET TIME_ZONE='+00:00' */;
/*!40014 SET @OLD_UNIQUE_CHECKS=@@UNIQUE_CHECKS, UNIQUE_CHECKS=0 */;
/*!40014 SET @OLD_FOREIGN_KEY_CHECKS=@@FOREIGN_KEY_CHECKS, FOREIGN_KEY_CHECKS=0 */;
/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */;
/*!40111 SET @OLD_SQL_NOTES=@@SQL_NOTES, SQL_NOTES=0 */;
/*!40101 SET @OLD_AUTOCOMMIT=@@AUTOCOMMIT, AUTOCOMMIT=0 */;
";

const RESTORE: &str = "
COMMIT;
/*!40101 SET AUTOCOMMIT=@OLD_AUTOCOMMIT */;
/*!40103 SET TIME_ZONE=@OLD_TIME_ZONE */;
/*!40101 SET SQL_MODE=@OLD_SQL_MODE */;
/*!40014 SET FOREIGN_KEY_CHECKS=@OLD_FOREIGN_KEY_CHECKS */;
/*!40014 SET UNIQUE_CHECKS=@OLD_UNIQUE_CHECKS */;
/*!40101 SET CHARACTER_SET_CLIENT=@OLD_CHARACTER_SET_CLIENT */;
/*!40101 SET CHARACTER_SET_RESULTS=@OLD_CHARACTER_SET_RESULTS */;
/*!40101 SET COLLATION_CONNECTION=@OLD_COLLATION_CONNECTION */;
/*!40111 SET SQL_NOTES=@OLD_SQL_NOTES */;

";

/// Writes the preamble: no name of a host or schema and no time is in it, so that two dumps of the same
/// schema are the same.
pub(super) fn write_preamble(
    context: &Context<'_>,
    connection: &Connection,
    ordinal: u32,
) -> Result<(), DatabaseError> {
    let mut out = context.open(ordinal, SectionKind::Preamble, "", connection)?;
    out.push(format!(
        "-- Dump of a MySQL or MariaDB schema, by Undercroft\n--\n-- Server: {}\n-- Default collation: {}\n\n",
        context.server, context.objects.collation
    ));
    out.push(SET);
    out.finish(None)
}

/// Writes the end.
pub(super) fn write_end(
    context: &Context<'_>,
    connection: &Connection,
    ordinal: u32,
) -> Result<(), DatabaseError> {
    let mut out = context.open(ordinal, SectionKind::End, "", connection)?;
    out.push(RESTORE);
    out.push(END_MARK);
    out.finish(None)
}
