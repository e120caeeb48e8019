//! `key:export`

use super::Context;
use crate::error::Failure;

/// Prints the recovery key.
pub async fn run(context: &Context) -> Result<(), Failure> {
    let key = context.client.recovery_key().await?;
    context.print(&format!("{}\n", key.key.reveal()))?;
    context.client.recovery_key_exported().await?;
    context.messages.notice(
        "This key opens every backup of this data folder, from the store alone. Keep it where this machine's loss \
         can't reach it (a password manager, paper in a safe), and let nobody see it who may not read the sites.",
    );
    Ok(())
}
