//! What both roles offer in the same way.

/// Gives a role, which has its connection in `core`, the methods that do not depend on the role.
macro_rules! common {
    ($role:ident) => {
        impl $role {
            /// The peer closed its sending side: the connection is over.
            ///
            /// # Errors
            /// A stream was still open.
            pub fn end_of_input(&mut self) -> Result<Option<Event<'static>>, Fault> {
                self.core.end_of_input().map(|()| None)
            }

            /// Sends as much of a body as the windows take, and says how much that was; `end`
            /// counts if it was all. A body that ends short of its content-length resets the
            /// stream instead.
            ///
            /// # Errors
            /// [`CannotSend`].
            pub fn send_data(
                &mut self,
                stream: StreamId,
                bytes: &[u8],
                end: bool,
            ) -> Result<usize, CannotSend> {
                self.core.send_data(stream, bytes, end)
            }

            /// Ends a message with trailers.
            ///
            /// # Errors
            /// [`CannotSend`].
            pub fn send_trailers(
                &mut self,
                stream: StreamId,
                fields: &Fields,
            ) -> Result<(), CannotSend> {
                self.core.send_trailers(stream, fields)
            }

            /// Gives a stream up; nothing more is told of it. Of no effect on one that is over.
            pub fn reset(&mut self, stream: StreamId, code: ErrorCode) {
                self.core.reset(stream, code);
            }

            /// Gives the windows back what `Data` events took, once those bytes are passed on or
            /// thrown away; also for streams that are over.
            pub fn release(&mut self, stream: StreamId, bytes: usize) {
                self.core.release(stream, bytes);
            }

            /// Lets the connection end when its streams have: GOAWAY. A server asks first and waits
            /// until the client has read that; asked again, it does not wait any longer.
            pub fn drain(&mut self) {
                self.core.drain();
            }

            /// Whether the connection is to be closed once the output is written.
            #[must_use]
            pub fn is_over(&self) -> bool {
                self.core.is_over()
            }

            /// Whether there is no stream, and no frame that was read in part.
            #[cfg(test)]
            pub(crate) fn is_idle(&self) -> bool {
                self.core.is_idle()
            }

            /// How many streams there are.
            #[cfg(test)]
            pub(crate) fn streams(&self) -> usize {
                self.core.streams.len()
            }

            /// What is to be sent.
            pub fn output(&mut self) -> &mut Output {
                self.core.output()
            }

            /// Whether a head, or the preface, has begun to come and is not complete.
            #[must_use]
            pub fn is_in_head(&self) -> bool {
                self.core.is_in_head()
            }

            /// Gives back the memory that a connection without streams needs not.
            pub fn rest(&mut self) {
                self.core.rest();
            }
        }

        impl std::fmt::Debug for $role {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($role))
                    .field("streams", &self.core.streams.len())
                    .field("highest", &self.core.highest)
                    .finish_non_exhaustive()
            }
        }
    };
}

pub(super) use common;
