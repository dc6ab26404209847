//! unprivileged
