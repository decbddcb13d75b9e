/* test_consensus_codec.c - the frames between validators, there and back, and what is refused. */
#include "tests/unit/consensusd/samples.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/err.h"
#include "proto/consensus.pb-c.h"
#include "proto/proof.pb-c.h"
#include "services/consensusd/consensus_codec.h"

enum { TXS_MAX = 10 };

static const struct consensus_codec_sender sender = {.index = 3, .high_qc_view = 41, .committed_height = 39};
static struct consensus_codec_frame decoded;

/* Encode the effect, decode what came out. */
static void round_trip(const struct consensus_effect *effect, const char *expected_topic)
{
    const char *topic = NULL;
    uint8_t *frame = NULL;
    size_t size = 0;
    assert_int_equal(consensus_codec_encode(effect, &sender, &topic, &frame, &size), 0);
    assert_string_equal(topic, expected_topic);
    assert_int_equal(consensus_codec_decode(&decoded, span_of(frame, size), TXS_MAX), 0);
    free(frame);
    assert_int_equal(decoded.event.sender, 3);
    assert_int_equal(decoded.event.sender_committed_height, 39);
    assert_int_equal(decoded.high_qc_view, 41);
}

static void a_proposal_arrives_as_it_was_sent(void **state)
{
    struct hash ids[] = {sample_hash(1), sample_hash(2)};
    struct qc justify = sample_qc(40, 4);
    struct tc tc = sample_tc(42, 4);
    struct consensus_effect effect = {.type = CONSENSUS_SEND_PROPOSAL,
                                      .u.proposal = {.header = sample_header(41, 2),
                                                     .tx_ids = ids,
                                                     .justify = &justify,
                                                     .tc = &tc,
                                                     .signature = sample_signature(5),
                                                     .vote_signature = sample_signature(6)}};
    round_trip(&effect, "consensus/proposal");
    const struct consensus_proposal *got = &decoded.event.u.proposal;
    assert_int_equal(decoded.event.type, CONSENSUS_PROPOSAL);
    sample_assert_header(&got->header, &effect.u.proposal.header);
    assert_memory_equal(got->tx_ids, ids, sizeof ids);
    sample_assert_qc(got->justify, &justify);
    sample_assert_tc(got->tc, &tc);
    assert_memory_equal(&got->signature, &effect.u.proposal.signature, SIGN_BYTES);
    assert_memory_equal(&got->vote_signature, &effect.u.proposal.vote_signature, SIGN_BYTES);
    consensus_codec_deinit(&decoded);

    effect.u.proposal.tc = NULL;
    effect.u.proposal.header.tx_count = 0;
    round_trip(&effect, "consensus/proposal");
    assert_null(got->tc);
    assert_memory_equal(&got->signature, &(struct signature){0}, SIGN_BYTES); /* nothing to sign: not sent */
    assert_memory_equal(&got->vote_signature, &effect.u.proposal.vote_signature, SIGN_BYTES);
    assert_int_equal(got->header.tx_count, 0);
    consensus_codec_deinit(&decoded);
}

static void a_vote_arrives_as_it_was_sent(void **state)
{
    struct consensus_effect effect = {
        .type = CONSENSUS_SEND_VOTE,
        .u.vote = {.view = 7, .height = 6, .block_id = sample_hash(9), .signature = sample_signature(8)}};
    round_trip(&effect, "consensus/vote");
    assert_int_equal(decoded.event.type, CONSENSUS_VOTE);
    assert_memory_equal(&decoded.event.u.vote, &effect.u.vote, sizeof effect.u.vote);
    consensus_codec_deinit(&decoded);
}

static void a_timeout_arrives_as_it_was_sent(void **state)
{
    struct qc qc = sample_qc(6, 64);
    struct consensus_effect effect = {.type = CONSENSUS_SEND_TIMEOUT,
                                      .u.timeout = {.view = 7, .high_qc = &qc, .signature = sample_signature(8)}};
    round_trip(&effect, "consensus/viewchange");
    assert_int_equal(decoded.event.type, CONSENSUS_TIMEOUT);
    assert_int_equal(decoded.event.u.timeout.view, 7);
    sample_assert_qc(decoded.event.u.timeout.high_qc, &qc);
    consensus_codec_deinit(&decoded);
}

static void a_timeout_certificate_arrives_as_it_was_sent(void **state)
{
    struct tc tc = sample_tc(9, 64);
    struct consensus_effect effect = {.type = CONSENSUS_SEND_NEW_VIEW, .u.new_view = &tc};
    round_trip(&effect, "consensus/newview");
    assert_int_equal(decoded.event.type, CONSENSUS_NEW_VIEW);
    sample_assert_tc(decoded.event.u.new_view, &tc);
    consensus_codec_deinit(&decoded);
}

static void a_heartbeat_arrives_as_it_was_sent(void **state)
{
    struct qc qc = sample_qc(6, 3);
    struct tc tc = sample_tc(9, 3);
    struct consensus_effect effect = {
        .type = CONSENSUS_SEND_HEARTBEAT,
        .u.heartbeat = {
            .view = 10, .high_qc = &qc, .high_tc = &tc, .committed_height = 4, .signature = sample_signature(1)}};
    round_trip(&effect, "consensus/heartbeat");
    assert_int_equal(decoded.event.type, CONSENSUS_HEARTBEAT);
    assert_int_equal(decoded.event.u.heartbeat.view, 10);
    assert_int_equal(decoded.event.u.heartbeat.committed_height, 4);
    sample_assert_qc(decoded.event.u.heartbeat.high_qc, &qc);
    sample_assert_tc(decoded.event.u.heartbeat.high_tc, &tc);
    consensus_codec_deinit(&decoded);

    effect.u.heartbeat.high_tc = NULL;
    round_trip(&effect, "consensus/heartbeat");
    assert_null(decoded.event.u.heartbeat.high_tc);
    consensus_codec_deinit(&decoded);
}

static struct genesis_ready sample_ready(void)
{
    struct genesis_ready ready = {
        .terms = {.chain_id = sample_hash(1), .config_hash = sample_hash(2), .peer_hash = sample_hash(3)},
        .time_ms = UINT64_MAX,
        .signature = sample_signature(4)};
    memset(ready.nonce, 5, sizeof ready.nonce);
    return ready;
}

static void a_genesis_ready_arrives_as_it_was_sent(void **state)
{
    struct genesis_ready ready = sample_ready();
    uint8_t *frame = NULL;
    size_t size = 0;
    assert_int_equal(consensus_codec_encode_ready(&ready, &sender, &frame, &size), 0);
    assert_int_equal(consensus_codec_decode(&decoded, span_of(frame, size), TXS_MAX), 0);
    assert_int_equal(decoded.core, CONSENSUS_CODEC_CEREMONY);
    assert_int_equal(decoded.sender, 3);
    assert_int_equal(decoded.ceremony.sender, 3);
    assert_int_equal(decoded.ceremony.type, CEREMONY_READY);
    assert_memory_equal(decoded.ceremony.u.ready, &ready, sizeof ready);
    consensus_codec_deinit(&decoded);
    free(frame);
}

static void a_genesis_certificate_arrives_as_it_was_sent(void **state)
{
    static struct genesis_certificate certificate;
    certificate.count = GENESIS_VALIDATORS_MAX;
    certificate.aggregator = 63;
    certificate.signature = sample_signature(9);
    for (uint32_t i = 0; i < GENESIS_VALIDATORS_MAX; i++)
        certificate.attestations[i] = (struct genesis_attestation){
            .validator = i, .nonce = {(uint8_t)i}, .time_ms = i, .signature = sample_signature((uint8_t)(i + 1))};
    uint8_t *frame = NULL;
    size_t size = 0;
    assert_int_equal(consensus_codec_encode_genesis(&certificate, &sender, &frame, &size), 0);
    assert_int_equal(consensus_codec_decode(&decoded, span_of(frame, size), TXS_MAX), 0);
    assert_int_equal(decoded.core, CONSENSUS_CODEC_CEREMONY);
    assert_int_equal(decoded.ceremony.type, CEREMONY_CERTIFICATE);
    assert_memory_equal(decoded.ceremony.u.certificate, &certificate, sizeof certificate);
    consensus_codec_deinit(&decoded);
    free(frame);
}

/* --- what is refused ---------------------------------------------------------------------------------------------- */

typedef Cybermesh__Consensus__V1__ConsensusFrame frame_pb;

/* A frame taken apart, so that one thing in it can be made wrong. */
static frame_pb *take_apart(const struct consensus_effect *effect)
{
    const char *topic = NULL;
    uint8_t *bytes = NULL;
    size_t size = 0;
    assert_int_equal(consensus_codec_encode(effect, &sender, &topic, &bytes, &size), 0);
    frame_pb *frame = cybermesh__consensus__v1__consensus_frame__unpack(NULL, size, bytes);
    free(bytes);
    assert_non_null(frame);
    return frame;
}

static int decode_packed(const frame_pb *frame)
{
    size_t size = cybermesh__consensus__v1__consensus_frame__get_packed_size(frame);
    uint8_t *bytes = malloc(size);
    assert_non_null(bytes);
    cybermesh__consensus__v1__consensus_frame__pack(frame, bytes);
    int rc = consensus_codec_decode(&decoded, span_of(bytes, size), TXS_MAX);
    free(bytes);
    if (rc == 0)
        consensus_codec_deinit(&decoded);
    return rc;
}

static frame_pb *sample_proposal(uint32_t tx_count)
{
    static struct hash ids[TXS_MAX + 1];
    static struct qc justify;
    static struct tc tc;
    justify = sample_qc(40, 4);
    tc = sample_tc(42, 4);
    struct consensus_effect effect = {
        .type = CONSENSUS_SEND_PROPOSAL,
        .u.proposal = {.header = sample_header(41, tx_count), .tx_ids = ids, .justify = &justify, .tc = &tc}};
    return take_apart(&effect);
}

static void free_frame(frame_pb *frame)
{
    cybermesh__consensus__v1__consensus_frame__free_unpacked(frame, NULL);
}

static void bytes_that_are_no_frame_are_malformed(void **state)
{
    static const uint8_t garbage[] = {0x52, 0xff, 0xff, 0xff, 0xff, 0x0f, 1, 2, 3};
    assert_int_equal(consensus_codec_decode(&decoded, span_of(garbage, sizeof garbage), TXS_MAX), ERR_MALFORMED);
    frame_pb frame;
    cybermesh__consensus__v1__consensus_frame__init(&frame);
    frame.version = CONSENSUS_CODEC_VERSION;
    assert_int_equal(decode_packed(&frame), ERR_MALFORMED);
    frame.version = CONSENSUS_CODEC_VERSION + 1;
    assert_int_equal(decode_packed(&frame), ERR_VERSION);
}

static void a_frame_of_another_version_is_refused(void **state)
{
    frame_pb *frame = sample_proposal(2);
    assert_int_equal(decode_packed(frame), 0);
    frame->version = 2;
    assert_int_equal(decode_packed(frame), ERR_VERSION);
    free_frame(frame);
}

static void ids_must_be_as_many_as_the_header_says_and_no_more_than_allowed(void **state)
{
    frame_pb *frame = sample_proposal(TXS_MAX);
    assert_int_equal(decode_packed(frame), 0);
    frame->proposal->n_tx_ids--;
    assert_int_equal(decode_packed(frame), ERR_MALFORMED);
    frame->proposal->n_tx_ids++;
    free_frame(frame);
    frame = sample_proposal(TXS_MAX + 1);
    assert_int_equal(decode_packed(frame), ERR_TOO_LARGE);
    free_frame(frame);
}

static void a_genesis_certificate_with_a_byte_too_few_is_malformed(void **state)
{
    struct genesis_certificate certificate = {.aggregator = 1};
    uint8_t *bytes = NULL;
    size_t size = 0;
    assert_int_equal(consensus_codec_encode_genesis(&certificate, &sender, &bytes, &size), 0);
    frame_pb *frame = cybermesh__consensus__v1__consensus_frame__unpack(NULL, size, bytes);
    assert_non_null(frame);
    free(bytes);
    assert_int_equal(decode_packed(frame), 0);
    frame->genesis->certificate.len--;
    assert_int_equal(decode_packed(frame), ERR_MALFORMED);
    frame->genesis->certificate.len = 0;
    assert_int_equal(decode_packed(frame), ERR_MALFORMED);
    free_frame(frame);
}

static void a_genesis_ready_with_a_byte_too_few_is_malformed(void **state)
{
    struct genesis_ready ready = sample_ready();
    uint8_t *bytes = NULL;
    size_t size = 0;
    assert_int_equal(consensus_codec_encode_ready(&ready, &sender, &bytes, &size), 0);
    frame_pb *frame = cybermesh__consensus__v1__consensus_frame__unpack(NULL, size, bytes);
    assert_non_null(frame);
    free(bytes);
    Cybermesh__Consensus__V1__GenesisReady *pb = frame->genesis_ready;
    ProtobufCBinaryData *fields[] = {&pb->chain_id, &pb->config_hash, &pb->peer_hash, &pb->nonce, &pb->signature};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        assert_int_equal(decode_packed(frame), 0);
        fields[i]->len--;
        assert_int_equal(decode_packed(frame), ERR_MALFORMED);
        fields[i]->len++;
    }
    free_frame(frame);
}

/* Each byte field of a proposal one byte short, in turn. */
static void every_length_is_checked(void **state)
{
    frame_pb *frame = sample_proposal(2);
    Cybermesh__Consensus__V1__Proposal *proposal = frame->proposal;
    ProtobufCBinaryData *const fields[] = {
        &proposal->header,
        &proposal->tx_ids[1],
        &proposal->signature,
        &proposal->vote_signature,
        &proposal->justify->block_id,
        &proposal->justify->signatures[3]->signature,
        &proposal->tc->signatures[0]->signature,
        &proposal->tc->high_qc->block_id,
        &proposal->tc->high_qc->signatures[1]->signature,
    };
    for (size_t i = 0; i < ARRAY_COUNT(fields); i++) {
        fields[i]->len--;
        assert_int_equal(decode_packed(frame), ERR_MALFORMED);
        fields[i]->len++;
    }
    assert_int_equal(decode_packed(frame), 0);
    free_frame(frame);
}

static void a_proposal_has_a_signature_if_and_only_if_a_timeout_certificate_is_attached(void **state)
{
    frame_pb *frame = sample_proposal(2);
    Cybermesh__Consensus__V1__Proposal *proposal = frame->proposal;
    Cybermesh__Consensus__V1__TimeoutCertificate *tc = proposal->tc;
    proposal->tc = NULL;
    assert_int_equal(decode_packed(frame), ERR_MALFORMED);
    size_t size = proposal->signature.len;
    proposal->signature.len = 0;
    assert_int_equal(decode_packed(frame), 0);
    proposal->tc = tc;
    assert_int_equal(decode_packed(frame), ERR_MALFORMED);
    proposal->signature.len = size;
    assert_int_equal(decode_packed(frame), 0);
    free_frame(frame);
}

static void a_missing_certificate_is_malformed(void **state)
{
    frame_pb *frame = sample_proposal(2);
    Cybermesh__Proof__V1__Qc *justify = frame->proposal->justify;
    frame->proposal->justify = NULL;
    assert_int_equal(decode_packed(frame), ERR_MALFORMED);
    frame->proposal->justify = justify;
    Cybermesh__Proof__V1__Qc *high_qc = frame->proposal->tc->high_qc;
    frame->proposal->tc->high_qc = NULL;
    assert_int_equal(decode_packed(frame), ERR_MALFORMED);
    frame->proposal->tc->high_qc = high_qc;
    free_frame(frame);
}

static void more_signers_than_validators_can_be_are_malformed(void **state)
{
    struct qc qc = sample_qc(6, CERT_SIGNERS_MAX);
    struct consensus_effect effect = {.type = CONSENSUS_SEND_TIMEOUT, .u.timeout = {.view = 7, .high_qc = &qc}};
    frame_pb *frame = take_apart(&effect);
    Cybermesh__Proof__V1__Qc *pb = frame->timeout->high_qc;
    Cybermesh__Proof__V1__Signature *list[CERT_SIGNERS_MAX + 1], **own = pb->signatures;
    memcpy(list, own, CERT_SIGNERS_MAX * sizeof list[0]);
    list[CERT_SIGNERS_MAX] = own[0];
    pb->signatures = list;
    assert_int_equal(decode_packed(frame), 0);
    pb->n_signatures++;
    assert_int_equal(decode_packed(frame), ERR_MALFORMED);
    pb->n_signatures--;
    pb->signatures = own;
    free_frame(frame);
}

static void more_signers_of_a_timeout_certificate_are_malformed(void **state)
{
    struct tc tc = sample_tc(6, CERT_SIGNERS_MAX);
    struct consensus_effect effect = {.type = CONSENSUS_SEND_NEW_VIEW, .u.new_view = &tc};
    frame_pb *frame = take_apart(&effect);
    Cybermesh__Consensus__V1__TimeoutCertificate *pb = frame->new_view->tc;
    Cybermesh__Consensus__V1__TimeoutSignature *list[CERT_SIGNERS_MAX + 1], **own = pb->signatures;
    memcpy(list, own, CERT_SIGNERS_MAX * sizeof list[0]);
    list[CERT_SIGNERS_MAX] = own[0];
    pb->signatures = list;
    assert_int_equal(decode_packed(frame), 0);
    pb->n_signatures++;
    assert_int_equal(decode_packed(frame), ERR_MALFORMED);
    pb->n_signatures--;
    pb->signatures = own;
    free_frame(frame);
}

/* What is no proof leaves nothing of the frame before it to be judged. */
static void evidence_that_is_no_proof_is_malformed(void **state)
{
    struct equivocation proof = {.offender = sample_hash(1), .kind = EQUIVOCATION_VOTE, .view = 3};
    proof.statements[1].block_id = sample_hash(2);
    struct consensus_effect effect = {.type = CONSENSUS_SEND_EVIDENCE, .u.evidence = &proof};
    frame_pb *frame = take_apart(&effect);
    assert_int_equal(decode_packed(frame), 0);
    assert_int_equal(decoded.event.u.evidence->view, 3);
    frame->evidence->body.len--;
    assert_int_equal(decode_packed(frame), ERR_MALFORMED);
    frame->evidence->body.len++;
    free_frame(frame);
}

/* --- sync --------------------------------------------------------------------------------------------------------- */

static void a_sync_frame_of_another_version_is_refused(void **state)
{
    uint8_t *frame = NULL;
    size_t size = 0;
    struct consensus_codec_sync sync;
    assert_int_equal(consensus_codec_encode_request(5, 100, 128, &frame, &size), 0);
    assert_int_equal(frame[1], CONSENSUS_CODEC_VERSION); /* the first field's value */
    frame[1]++;
    assert_int_equal(consensus_codec_decode_sync(&sync, span_of(frame, size), TXS_MAX), ERR_VERSION);
    free(frame);
}

static void a_sync_request_arrives_as_it_was_sent(void **state)
{
    uint8_t *frame = NULL;
    size_t size = 0;
    assert_int_equal(consensus_codec_encode_request(5, 100, 128, &frame, &size), 0);
    struct consensus_codec_sync sync;
    assert_int_equal(consensus_codec_decode_sync(&sync, span_of(frame, size), TXS_MAX), 0);
    free(frame);
    assert_true(sync.is_request);
    assert_int_equal(sync.request, 5);
    assert_int_equal(sync.height_first, 100);
    assert_int_equal(sync.count_max, 128);
    consensus_codec_sync_deinit(&sync);
}

static int encode_blocks(size_t count, uint32_t tx_count, size_t body_count, struct consensus_codec_sync *out)
{
    static struct span bodies[TXS_MAX + 1];
    static struct consensus_codec_block blocks[CONSENSUS_CODEC_SYNC_BLOCKS_MAX + 1];
    for (size_t i = 0; i < ARRAY_COUNT(bodies); i++)
        bodies[i] = span_text(i % 2 ? "a body" : "another body");
    for (size_t i = 0; i < count; i++)
        blocks[i] = (struct consensus_codec_block){.header = sample_header(100 + i, tx_count),
                                                   .qc = sample_qc(101 + i, 3),
                                                   .bodies = bodies,
                                                   .body_count = body_count};
    uint8_t *frame = NULL;
    size_t size = 0;
    struct consensus_codec_sync response = {
        .request = 6, .blocks = blocks, .block_count = count, .committed_height = 200, .height_lowest = 50};
    assert_int_equal(consensus_codec_encode_response(&response, &frame, &size), 0);
    int rc = consensus_codec_decode_sync(out, span_of(frame, size), TXS_MAX);
    free(frame);
    return rc;
}

static void synced_blocks_arrive_as_they_were_sent(void **state)
{
    struct consensus_codec_sync sync;
    assert_int_equal(encode_blocks(3, 2, 2, &sync), 0);
    assert_false(sync.is_request);
    assert_int_equal(sync.request, 6);
    assert_int_equal(sync.block_count, 3);
    for (size_t i = 0; i < 3; i++) {
        struct block_header header = sample_header(100 + i, 2);
        struct qc qc = sample_qc(101 + i, 3);
        sample_assert_header(&sync.blocks[i].header, &header);
        sample_assert_qc(&sync.blocks[i].qc, &qc);
        assert_int_equal(sync.blocks[i].body_count, 2);
        assert_true(span_equal(sync.blocks[i].bodies[1], span_text("a body")));
    }
    consensus_codec_sync_deinit(&sync);
    assert_int_equal(encode_blocks(0, 0, 0, &sync), 0);
    assert_int_equal(sync.block_count, 0);
    assert_int_equal(sync.committed_height, 200);
    assert_int_equal(sync.height_lowest, 50);
    consensus_codec_sync_deinit(&sync);
}

static void synced_blocks_are_counted(void **state)
{
    struct consensus_codec_sync sync;
    assert_int_equal(encode_blocks(2, 2, 1, &sync), ERR_MALFORMED);
    assert_int_equal(encode_blocks(1, TXS_MAX + 1, TXS_MAX + 1, &sync), ERR_TOO_LARGE);
    assert_int_equal(encode_blocks(CONSENSUS_CODEC_SYNC_BLOCKS_MAX + 1, 0, 0, &sync), ERR_TOO_LARGE);
    assert_int_equal(encode_blocks(CONSENSUS_CODEC_SYNC_BLOCKS_MAX, 0, 0, &sync), 0);
    consensus_codec_sync_deinit(&sync);
}

static void a_commit_proof_is_the_headers_and_the_certificate(void **state)
{
    struct block_header headers[] = {sample_header(5, 1), sample_header(6, 0)};
    struct qc qc = sample_qc(7, 3);
    uint8_t *bytes = NULL;
    size_t size = 0;
    assert_int_equal(consensus_codec_encode_proof(headers, 2, &qc, &bytes, &size), 0);
    Cybermesh__Proof__V1__CommitProof *proof = cybermesh__proof__v1__commit_proof__unpack(NULL, size, bytes);
    free(bytes);
    assert_non_null(proof);
    assert_int_equal(proof->n_headers, 2);
    uint8_t encoded[BLOCK_HEADER_BYTES];
    block_header_encode(encoded, &headers[1]);
    assert_int_equal(proof->headers[1].len, sizeof encoded);
    assert_memory_equal(proof->headers[1].data, encoded, sizeof encoded);
    assert_int_equal(proof->qc->view, 7);
    assert_int_equal(proof->qc->n_signatures, 3);
    cybermesh__proof__v1__commit_proof__free_unpacked(proof, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_proposal_arrives_as_it_was_sent),
        cmocka_unit_test(a_vote_arrives_as_it_was_sent),
        cmocka_unit_test(a_timeout_arrives_as_it_was_sent),
        cmocka_unit_test(a_timeout_certificate_arrives_as_it_was_sent),
        cmocka_unit_test(a_heartbeat_arrives_as_it_was_sent),
        cmocka_unit_test(a_genesis_ready_arrives_as_it_was_sent),
        cmocka_unit_test(a_genesis_certificate_arrives_as_it_was_sent),
        cmocka_unit_test(a_genesis_certificate_with_a_byte_too_few_is_malformed),
        cmocka_unit_test(a_genesis_ready_with_a_byte_too_few_is_malformed),
        cmocka_unit_test(bytes_that_are_no_frame_are_malformed),
        cmocka_unit_test(a_frame_of_another_version_is_refused),
        cmocka_unit_test(ids_must_be_as_many_as_the_header_says_and_no_more_than_allowed),
        cmocka_unit_test(every_length_is_checked),
        cmocka_unit_test(a_proposal_has_a_signature_if_and_only_if_a_timeout_certificate_is_attached),
        cmocka_unit_test(a_missing_certificate_is_malformed),
        cmocka_unit_test(more_signers_than_validators_can_be_are_malformed),
        cmocka_unit_test(more_signers_of_a_timeout_certificate_are_malformed),
        cmocka_unit_test(evidence_that_is_no_proof_is_malformed),
        cmocka_unit_test(a_sync_frame_of_another_version_is_refused),
        cmocka_unit_test(a_sync_request_arrives_as_it_was_sent),
        cmocka_unit_test(synced_blocks_arrive_as_they_were_sent),
        cmocka_unit_test(synced_blocks_are_counted),
        cmocka_unit_test(a_commit_proof_is_the_headers_and_the_certificate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
