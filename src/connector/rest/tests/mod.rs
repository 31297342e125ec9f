//! The connector against the sandbox and odd answers.
