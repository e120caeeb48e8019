//! The shapes of the API: what the server answers and the client reads.
