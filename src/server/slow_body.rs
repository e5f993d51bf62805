//! A response body that is sent slowly.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// Minimum interval between two pieces.
const MIN_PIECE_INTERVAL: Duration = Duration::from_millis(100);

/// A body that is sent in pieces over a given time. A shutdown sends the rest
/// at once.
pub(super) struct SlowBody {
    rest: Bytes,
    pieces: u32,
    sent: u32,
    size: u64,
    began: Instant,
    over: Duration,
    pause: Pin<Box<Sleep>>,
    shutdown: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl SlowBody {
    pub(super) fn new(body: Bytes, over: Duration, shutdown: CancellationToken) -> Self {
        let most =
            u32::try_from(over.as_millis() / MIN_PIECE_INTERVAL.as_millis()).unwrap_or(u32::MAX);
        let pieces = most.clamp(1, u32::try_from(body.len()).unwrap_or(u32::MAX).max(1));
        let began = Instant::now();
        Self {
            size: body.len() as u64,
            rest: body,
            pieces,
            sent: 0,
            began,
            over,
            pause: Box::pin(sleep_until(began + over / pieces)),
            shutdown: Box::pin(shutdown.cancelled_owned()),
        }
    }
}

impl Body for SlowBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = self.get_mut();
        if this.sent == this.pieces {
            return Poll::Ready(None);
        }
        if this.shutdown.as_mut().poll(cx).is_ready() {
            this.sent = this.pieces;
        } else {
            ready!(this.pause.as_mut().poll(cx));
            this.sent += 1;
            let next = this.began + this.over * (this.sent + 1) / this.pieces;
            this.pause.as_mut().reset(next);
        }
        let left = this.pieces - this.sent;
        let keep = (this.size * u64::from(left) / u64::from(this.pieces)) as usize;
        let piece = this.rest.split_to(this.rest.len() - keep);
        if piece.is_empty() {
            return Poll::Ready(None);
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.sent == self.pieces
    }

    fn size_hint(&self) -> SizeHint {
        // An empty body of known size would end immediately; a chunked one ends
        // when its time is over.
        if self.size == 0 {
            SizeHint::default()
        } else {
            SizeHint::with_exact(self.rest.len() as u64)
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    async fn pieces(mut body: SlowBody) -> Vec<Bytes> {
        let mut all = Vec::new();
        while let Some(frame) = body.frame().await {
            all.push(frame.unwrap().into_data().unwrap());
        }
        all
    }

    #[tokio::test]
    async fn sends_pieces_over_the_whole_time() {
        let over = Duration::from_millis(300);
        let slow = |body: &Bytes| SlowBody::new(body.clone(), over, CancellationToken::new());
        let body: Bytes = (0..=255).collect::<Vec<u8>>().into();
        for (body, count) in [(body, 3), ("ab".into(), 2), (Bytes::new(), 0)] {
            let began = Instant::now();
            let all = pieces(slow(&body)).await;
            assert_eq!((all.len(), all.concat()), (count, body.to_vec()));
            assert!(began.elapsed() >= over, "{:?}", began.elapsed());
        }
    }

    #[tokio::test]
    async fn sends_the_rest_at_shutdown() {
        let shutdown = CancellationToken::new();
        shutdown.cancel();
        let slow = SlowBody::new("abcd".into(), Duration::from_mins(5), shutdown);
        assert_eq!(pieces(slow).await, ["abcd"]);
    }
}
