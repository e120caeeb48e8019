//! Trees come back into their place.

mod alone;
mod away;
mod broken;
mod damaged;
mod hostile;
mod killed;
mod kinds;
mod late;
mod mounted;
mod site;
mod stays;
mod undone;
