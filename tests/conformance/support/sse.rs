use super::http::Answer;
use bytes::BytesMut;

/// One event of a stream.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) event: Option<String>,
    pub(crate) id: Option<String>,
    pub(crate) data: Option<String>,
    pub(crate) retry: Option<String>,
}

/// The events of a response (WHATWG HTML §9.2.6); what the hub has no reason to write fails the test.
pub(crate) struct Blocks {
    answer: Answer,
    held: BytesMut,
}

impl Blocks {
    pub(crate) fn new(answer: Answer) -> Blocks {
        assert_eq!(answer.header("content-type"), "text/event-stream");
        assert_eq!(answer.header("x-accel-buffering"), "no");
        assert!(answer.header("cache-control").contains("no-transform"));
        Blocks { answer, held: BytesMut::new() }
    }

    /// The next event; `None` at the end of the response. Comments are skipped, but for beats, which come as on other adapters.
    pub(crate) async fn next(&mut self) -> Option<Block> {
        loop {
            if let Some(end) = self.held.windows(2).position(|w| w == b"\n\n") {
                let text = self.held.split_to(end + 2);
                match read(std::str::from_utf8(&text).expect("UTF-8").trim_end_matches('\n')) {
                    Some(block) => return Some(block),
                    None => continue,
                }
            }
            match self.answer.chunk().await {
                Some(chunk) => self.held.extend_from_slice(&chunk),
                None => return None,
            }
        }
    }
}

fn read(text: &str) -> Option<Block> {
    let mut block = Block::default();
    if text == ":" {
        return Some(Block { data: Some("{}".into()), ..block });
    }
    for line in text.split('\n') {
        let (field, value) = line.split_once(": ").expect("field: value");
        match field {
            "" => return None,
            "event" => block.event = Some(value.into()),
            "id" => block.id = Some(value.into()),
            "retry" => block.retry = Some(value.into()),
            "data" => match &mut block.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => block.data = Some(value.into()),
            },
            other => panic!("field {other}"),
        }
    }
    Some(block)
}
