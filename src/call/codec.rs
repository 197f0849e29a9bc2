//! The codec of the generated clients and servers: tonic's own, with smaller buffers.
//!
//! The buffers start with at most 1 KiB, since glibc caches allocations of this size per thread, and takes a lock for larger
//! allocations. The buffers have room for a request with a few names and for a response with an operation, and grow for larger
//! messages. tonic would allocate 8 KiB for each message in both directions, and a call holds its buffers while it waits.

use std::marker::PhantomData;

use prost::Message;
use tonic::codec::BufferSettings;
use tonic_prost::ProstCodec;

/// Initial size of the buffer of a request, in bytes.
const REQUEST_BUFFER: usize = 256;
/// Initial size of the buffer of a response, in bytes.
const RESPONSE_BUFFER: usize = 1 << 10;
/// Number of bytes at which a stream of messages is flushed. It is tonic's default.
const FLUSH_SIZE: usize = 32 << 10;

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
        ProstCodec::<T, U>::raw_encoder(BufferSettings::new(REQUEST_BUFFER, FLUSH_SIZE))
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstCodec::<T, U>::raw_decoder(BufferSettings::new(RESPONSE_BUFFER, FLUSH_SIZE))
    }
}
