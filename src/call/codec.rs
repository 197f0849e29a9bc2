//! How generated clients and servers encode messages: as tonic's own codec, in smaller buffers.
//!
//! tonic has 8 KiB ready for each message, either way, which a call in flight holds while it waits. These are for
//! what is usual, a request of a few names and the operation that answers it; they grow for what is larger. More than 1 KiB is dear:
//! glibc keeps smaller pieces by thread, and has a lock for others.

use std::marker::PhantomData;

use prost::Message;
use tonic::codec::BufferSettings;
use tonic_prost::ProstCodec;

const REQUEST: usize = 256;
const REPLY: usize = 1 << 10;
/// From here on a stream of messages is sent in pieces; tonic's own value.
const PIECE: usize = 32 << 10;

/// Encodes `T` and decodes `U`.
#[derive(Debug)]
pub(crate) struct Codec<T, U> {
    messages: PhantomData<(T, U)>,
}

impl<T, U> Default for Codec<T, U> {
    fn default() -> Self {
        Self {
            messages: PhantomData,
        }
    }
}

impl<T, U> tonic::codec::Codec for Codec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = <ProstCodec<T, U> as tonic::codec::Codec>::Encoder;
    type Decoder = <ProstCodec<T, U> as tonic::codec::Codec>::Decoder;

    fn encoder(&mut self) -> Self::Encoder {
        ProstCodec::<T, U>::raw_encoder(BufferSettings::new(REQUEST, PIECE))
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstCodec::<T, U>::raw_decoder(BufferSettings::new(REPLY, PIECE))
    }
}
