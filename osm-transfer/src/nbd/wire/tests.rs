//! Every message round-trips, and no bytes make a decoder panic.

use proptest::collection::vec;
use proptest::prelude::*;

use super::consts::*;
use super::cursor::Put;
use super::*;
use crate::block::{BlockSize, ByteRange, Extent, ExtentKind};

fn name() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9/ äß_-]{0,40}"
}

fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        Just(Command::Read),
        Just(Command::Write),
        Just(Command::Disconnect),
        Just(Command::Flush),
        Just(Command::Trim),
        Just(Command::Cache),
        Just(Command::WriteZeroes),
        Just(Command::BlockStatus),
        (9u16..).prop_map(Command::Other),
    ]
}

fn info() -> impl Strategy<Value = Info> {
    prop_oneof![
        (any::<u64>(), any::<u16>()).prop_map(|(size, flags)| {
            Info::Export(ExportFlagsAndSize { size, flags: TransmissionFlags::from_bits_retain(flags) })
        }),
        name().prop_map(Info::Name),
        name().prop_map(Info::Description),
        any::<(u32, u32, u32)>().prop_map(|(minimum, preferred, maximum)| {
            Info::BlockSize(BlockSize { minimum, preferred, maximum })
        }),
        (4u16..).prop_map(Info::Other),
    ]
}

proptest! {
    #[test]
    fn requests_round_trip(
        command in command(),
        flags: u16, cookie: u64, offset: u64, len: u32,
    ) {
        let flags = CommandFlags::from_bits_retain(flags);
        let request = Request { flags, command, cookie, offset, len };
        prop_assert_eq!(Request::decode(&request.encode()), Ok(request));
    }

    #[test]
    fn replies_round_trip(error: u32, cookie: u64, flags: u16, kind: u16, len: u32) {
        let flags = ReplyFlags::from_bits_retain(flags);
        for header in [
            ReplyHeader::Simple { error: Errno(error), cookie },
            ReplyHeader::Chunk(Chunk { flags, kind, cookie, len }),
        ] {
            let bytes = header.encode();
            prop_assert_eq!(reply_len(&bytes), Ok(bytes.len()));
            prop_assert_eq!(ReplyHeader::decode(&bytes), Ok(header));
        }
    }

    #[test]
    fn error_chunks_round_trip(error in 1u32.., message in name(), offset: Option<u64>, cookie: u64) {
        let chunk = ErrorChunk { error: Errno(error), message, offset };
        let bytes = chunk.encode(cookie);
        let (head, payload) = bytes.split_at(ReplyHeader::CHUNK_LEN);
        let Ok(ReplyHeader::Chunk(header)) = ReplyHeader::decode(head) else { panic!("no chunk") };
        prop_assert_eq!(header.len as usize, payload.len());
        prop_assert_eq!(ErrorChunk::decode(header.kind, payload).unwrap(), chunk);
    }

    #[test]
    fn options_round_trip(export in name(), wanted in vec(any::<u16>(), 0..9), queries in vec(name(), 0..9)) {
        let request = InfoRequest { export: export.clone(), wanted };
        prop_assert_eq!(InfoRequest::decode(&request.encode()), Ok(request));
        let query = MetaQuery { export: export.clone(), queries };
        prop_assert_eq!(MetaQuery::decode(&query.encode()), Ok(query));
        let listed = ListedExport { name: export.clone(), description: export.clone() };
        prop_assert_eq!(ListedExport::decode(&listed.encode()), Ok(listed));
        let context = MetaContext { id: 7, name: export };
        prop_assert_eq!(MetaContext::decode(&context.encode()), Ok(context));
    }

    #[test]
    fn information_round_trips(info in info()) {
        prop_assert_eq!(Info::decode(&info.encode()), Ok(info));
    }

    #[test]
    fn block_status_round_trips(context: u32, runs in vec(any::<(u32, u32)>(), 0..20)) {
        let descriptors = runs.into_iter().map(|(len, flags)| Descriptor { len, flags }).collect();
        let status = BlockStatus { context, descriptors };
        prop_assert_eq!(BlockStatus::decode(&status.encode()), Ok(status));
    }

    #[test]
    fn extents_cover_a_prefix_of_what_was_asked(
        asked in 1u64..1 << 40,
        runs in vec((1u32.., 0u32..4), 1..20),
    ) {
        let descriptors = runs.into_iter().map(|(len, flags)| Descriptor { len, flags }).collect();
        let asked = ByteRange::new(1 << 41, asked);
        if let Ok(extents) = (BlockStatus { context: 0, descriptors }).extents(asked) {
            let mut at = asked.offset;
            for extent in extents {
                prop_assert_eq!(extent.range.offset, at);
                prop_assert!(extent.range.len > 0);
                at = extent.range.end();
            }
            prop_assert!(at <= asked.end());
        }
    }

    #[test]
    fn no_bytes_make_a_decoder_panic(bytes in vec(any::<u8>(), 0..200), kind: u16) {
        let _ = Greeting::decode(&bytes);
        let _ = LegacyExport::decode(&bytes);
        let _ = OptionHeader::decode(&bytes);
        let _ = OptionReplyHeader::decode(&bytes);
        let _ = ListedExport::decode(&bytes);
        let _ = InfoRequest::decode(&bytes);
        let _ = Info::decode(&bytes);
        let _ = MetaQuery::decode(&bytes);
        let _ = MetaContext::decode(&bytes);
        let _ = Request::decode(&bytes);
        let _ = ReplyHeader::decode(&bytes);
        let _ = ErrorChunk::decode(kind, &bytes);
        let _ = BlockStatus::decode(&bytes);
    }
}

#[test]
fn a_short_message_names_its_missing_field() {
    let request =
        Request { flags: CommandFlags::empty(), command: Command::Read, cookie: 1, offset: 2, len: 3 };
    let error = Request::decode(&request.encode()[..20]).unwrap_err();
    assert_eq!(error, MalformedMessage::MissingField { message: "request", field: "offset" });
    assert_eq!(error.to_string(), "request: `offset` is missing");
}

#[test]
fn an_oldstyle_server_is_recognised() {
    let mut bytes = Vec::new();
    bytes.put_u64(NBD_MAGIC);
    bytes.put_u64(NBD_OLDSTYLE_MAGIC);
    bytes.put_u16(0);
    assert_eq!(Greeting::decode(&bytes), Ok(Greeting::Oldstyle));
    let flags = HandshakeFlags::NBD_FLAG_FIXED_NEWSTYLE;
    assert_eq!(Greeting::decode(&Greeting::encode(flags)), Ok(Greeting::Newstyle(flags)));
    assert_eq!(&Greeting::encode(flags)[..16], b"NBDMAGICIHAVEOPT");
}

#[test]
fn a_meta_query_count_is_not_trusted() {
    let mut data = Vec::new();
    data.put_string("disk");
    data.put_u32(u32::MAX);
    assert_eq!(
        MetaQuery::decode(&data),
        Err(MalformedMessage::MissingField { message: "NBD_OPT_SET_META_CONTEXT", field: "query" })
    );
}

#[test]
fn only_the_last_descriptor_may_pass_the_end() {
    let asked = ByteRange::new(100, 50);
    let run = |len, flags| Descriptor { len, flags };
    let extents = |descriptors| BlockStatus { context: 0, descriptors }.extents(asked);
    assert_eq!(
        extents(vec![run(10, 0), run(20, 1), run(90, 3)]),
        Ok(vec![Extent::new(100, 30, ExtentKind::Data), Extent::new(130, 20, ExtentKind::Hole)])
    );
    assert_eq!(extents(vec![run(50, 0), run(1, 3)]), Err(PeerMisbehaved::DescriptorsBeyondRequest));
    assert_eq!(extents(vec![run(0, 0)]), Err(PeerMisbehaved::EmptyDescriptor));
    assert_eq!(extents(vec![]), Err(PeerMisbehaved::BlockStatusMissing));
}

#[test]
fn messages_for_people_carry_no_escape_sequences() {
    assert_eq!(decode_message(b"bad\x1b[31m\xff"), "bad[31m\u{fffd}");
}
