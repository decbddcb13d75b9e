/* chain.c */
#include "tests/unit/persistd/chain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/block.h"
#include "common/base/equivocation.h"
#include "common/base/err.h"
#include "common/base/hex.h"
#include "common/base/merkle.h"
#include "proto/outcome.pb-c.h"
#include "proto/record.pb-c.h"

enum { ITEMS_MAX = 20000, TEXT_MAX = 200 };

/* A block under construction. */
struct building {
    ProtobufCBinaryData bodies[ITEMS_MAX];
    ProtobufCBinaryData receipts[ITEMS_MAX];
    Cybermesh__Outcome__V1__Change changes[ITEMS_MAX];
    Cybermesh__Outcome__V1__Change *change_list[ITEMS_MAX];
    struct hash tx_ids[ITEMS_MAX];
    struct hash receipt_ids[ITEMS_MAX];
    struct hash scratch[ITEMS_MAX];
    size_t tx_count;
    size_t change_count;
};

static ProtobufCBinaryData binary(const void *data, size_t size)
{
    ProtobufCBinaryData copy = {.len = size, .data = malloc(size + 1)};
    assert_non_null(copy.data);
    if (size > 0)
        memcpy(copy.data, data, size);
    return copy;
}

static char *text(const char *value)
{
    return (char *)(uintptr_t)value;
}

static ProtobufCBinaryData pack(const void *message)
{
    const ProtobufCMessage *base = message;
    ProtobufCBinaryData packed = {.len = protobuf_c_message_get_packed_size(base)};
    packed.data = malloc(packed.len + 1);
    assert_non_null(packed.data);
    protobuf_c_message_pack(base, packed.data);
    return packed;
}

struct sign_public chain_producer(void)
{
    struct sign_public key;
    memset(key.bytes, 0x42, sizeof key.bytes);
    return key;
}

struct hash chain_validator(unsigned index)
{
    struct sign_public key;
    memset(key.bytes, (int)(0x10 + index), sizeof key.bytes);
    return sign_public_id(&key);
}

/* --- content ------------------------------------------------------------------------------------------------------ */

static void add_change(struct building *building, const char *key, ProtobufCBinaryData value, bool deleted)
{
    assert_true(building->change_count < ITEMS_MAX);
    Cybermesh__Outcome__V1__Change *change = &building->changes[building->change_count];
    cybermesh__outcome__v1__change__init(change);
    change->key = binary(key, strlen(key));
    change->value = value;
    change->deleted = deleted;
    building->change_list[building->change_count++] = change;
}

/* Nobody checks its signatures here: execution did. */
static ProtobufCBinaryData proof_body(unsigned view)
{
    struct equivocation proof = {.offender = chain_validator(CHAIN_OFFENDER), .kind = EQUIVOCATION_VOTE, .view = view};
    proof.statements[1].block_id.bytes[0] = 1;
    uint8_t body[EQUIVOCATION_BODY_BYTES_MAX];
    return binary(body, equivocation_encode(body, &proof));
}

static ProtobufCBinaryData body_of(const struct chain_event *event, unsigned nonce_number)
{
    if (event->kind == TX_VALIDATOR_EVIDENCE)
        return proof_body(nonce_number);
    static const uint8_t zeros[SIGN_BYTES];
    struct sign_public producer = chain_producer();
    uint8_t nonce[TX_NONCE_BYTES] = {0};
    memcpy(nonce, &nonce_number, sizeof nonce_number);
    char *payload = malloc(event->content_bytes + 3);
    assert_non_null(payload);
    memset(payload, ' ', event->content_bytes + 2);
    payload[0] = '{';
    payload[event->content_bytes + 1] = '}';
    struct span ref = span_of(producer.bytes, sizeof producer.bytes);
    struct tx_fields fields = {
        .kind = event->kind,
        .id = span_text(event->id),
        .type = span_text("port_scan"),
        .source = span_text("sensor"),
        .model_version = span_text("1.0"),
        .action = span_text("drop"),
        .alg = span_text("Ed25519-v2"),
        .content = span_of(payload, event->content_bytes + 2),
        .severity = 7,
        .confidence = 0.5,
        .ts = CHAIN_CREATED_MS / 1000,
        .content_hash = span_of(zeros, HASH_BYTES),
        .producer_id = ref,
        .nonce = span_of(nonce, sizeof nonce),
        .signature = span_of(zeros, SIGN_BYTES),
        .pubkey = ref,
        .refs = &ref,
        .ref_count = event->kind == TX_EVIDENCE,
    };
    ProtobufCBinaryData body = {.len = tx_encoded_size(&fields)};
    body.data = malloc(body.len);
    assert_non_null(body.data);
    tx_encode(body.data, &fields);
    free(payload);
    return body;
}

static ProtobufCBinaryData record_of(const struct chain_event *event, const struct hash *id, uint64_t height)
{
    struct sign_public producer = chain_producer();
    ProtobufCBinaryData key = {.data = producer.bytes, .len = sizeof producer.bytes};
    ProtobufCBinaryData tx_id_bytes = {.data = (uint8_t *)(uintptr_t)id->bytes, .len = HASH_BYTES};
    if (event->kind == TX_ANOMALY) {
        Cybermesh__Record__V1__Anomaly record;
        cybermesh__record__v1__anomaly__init(&record);
        record.type = text("port_scan");
        record.severity = 7;
        record.confidence_ppm = 500000;
        record.source = text("sensor");
        record.ts = CHAIN_CREATED_MS / 1000;
        record.status = text(event->status ? event->status : "reported");
        record.producer = key;
        record.tx_id = tx_id_bytes;
        record.height = height;
        return pack(&record);
    }
    if (event->kind == TX_EVIDENCE) {
        ProtobufCBinaryData refs[] = {key, tx_id_bytes};
        Cybermesh__Record__V1__Evidence record;
        cybermesh__record__v1__evidence__init(&record);
        record.type = text("pcap");
        record.refs = refs;
        record.n_refs = 2;
        record.content_hash = key;
        record.custody_count = 3;
        record.ts = CHAIN_CREATED_MS / 1000;
        record.status = text("accepted");
        record.producer = key;
        record.tx_id = tx_id_bytes;
        record.height = height;
        return pack(&record);
    }
    if (event->kind == TX_VALIDATOR_EVIDENCE) {
        Cybermesh__Record__V1__ValidatorEvidence record;
        cybermesh__record__v1__validator_evidence__init(&record);
        record.kind = EQUIVOCATION_VOTE;
        record.tx_id = tx_id_bytes;
        record.height = height;
        record.status = text("proved");
        return pack(&record);
    }
    char *targets[] = {text("10.0.0.1"), text("10.1.0.0/16")};
    Cybermesh__Record__V1__Policy record;
    cybermesh__record__v1__policy__init(&record);
    record.rule = text("block");
    record.action = text("drop");
    record.policy_id = text("p-1");
    record.targets = targets;
    record.n_targets = 2;
    record.ttl_s = 60;
    record.expires_at_s = CHAIN_CREATED_MS / 1000 + 60;
    record.active = true;
    record.ts = CHAIN_CREATED_MS / 1000;
    record.content_hash = key;
    record.producer = key;
    record.tx_id = tx_id_bytes;
    record.height = height;
    return pack(&record);
}

static void add_event(struct chain *self, struct building *building, const struct chain_event *event)
{
    static const char *const prefixes[] = {[TX_ANOMALY] = "anomaly",
                                           [TX_EVIDENCE] = "evidence",
                                           [TX_POLICY] = "policy",
                                           [TX_VALIDATOR_EVIDENCE] = "validator_evidence"};
    size_t i = building->tx_count++;
    assert_true(i < ITEMS_MAX);
    building->bodies[i] = body_of(event, ++self->nonce);
    building->tx_ids[i] = tx_id(span_of(building->bodies[i].data, building->bodies[i].len));
    char key[TEXT_MAX];
    char offender[2 * HASH_BYTES + 1];
    struct hash offender_id = chain_validator(CHAIN_OFFENDER);
    hex_encode(offender, offender_id.bytes, HASH_BYTES);
    bool is_proof = event->kind == TX_VALIDATOR_EVIDENCE;
    snprintf(key, sizeof key, "%s/%s", prefixes[event->kind], is_proof ? offender : event->id);
    ProtobufCBinaryData value = record_of(event, &building->tx_ids[i], self->height_next);
    struct hash value_hash = hash_of(span_of(value.data, value.len));
    add_change(building, key, value, false);
    Cybermesh__Record__V1__Receipt receipt;
    cybermesh__record__v1__receipt__init(&receipt);
    receipt.tx_id = (ProtobufCBinaryData){.data = building->tx_ids[i].bytes, .len = HASH_BYTES};
    receipt.kind = event->kind;
    receipt.key = key;
    receipt.value_hash = (ProtobufCBinaryData){.data = value_hash.bytes, .len = HASH_BYTES};
    receipt.status = text("reported");
    building->receipts[i] = pack(&receipt);
    building->receipt_ids[i] = hash_of(span_of(building->receipts[i].data, building->receipts[i].len));
    if (is_proof)
        return;
    char nonce_key[TEXT_MAX];
    snprintf(nonce_key, sizeof nonce_key, "nonce/%08x/%08x", 0x42, self->nonce);
    add_change(building, nonce_key, binary(building->tx_ids[i].bytes, HASH_BYTES), false);
}

/* --- the block ---------------------------------------------------------------------------------------------------- */

static int compare_changes(const void *a, const void *b)
{
    const ProtobufCBinaryData *x = &(*(Cybermesh__Outcome__V1__Change *const *)a)->key;
    const ProtobufCBinaryData *y = &(*(Cybermesh__Outcome__V1__Change *const *)b)->key;
    int order = memcmp(x->data, y->data, x->len < y->len ? x->len : y->len);
    return order != 0 ? order : (x->len > y->len) - (x->len < y->len);
}

static void seal(struct chain *self, struct building *building)
{
    uint64_t height = self->height_next++;
    assert_true(height < CHAIN_BLOCKS_MAX);
    struct block_header header = {
        .chain_id = self->chain_id,
        .height = height,
        .view = height,
        .parent_id = self->parent_id,
        .tx_count = (uint32_t)building->tx_count,
        .tx_root = merkle_root(building->tx_ids, building->tx_count, building->scratch),
        .receipt_root = merkle_root(building->receipt_ids, building->tx_count, building->scratch),
        .timestamp_ms = CHAIN_CREATED_MS + height * 1000,
    };
    if (height > 0)
        header.proposer = chain_validator((unsigned)(height % CHAIN_VALIDATORS));
    uint8_t bytes[BLOCK_HEADER_BYTES];
    block_header_encode(bytes, &header);
    self->ids[height] = self->parent_id = block_id(&header);
    qsort(building->change_list, building->change_count, sizeof building->change_list[0], compare_changes);
    Cybermesh__Outcome__V1__Outcome outcome;
    cybermesh__outcome__v1__outcome__init(&outcome);
    outcome.height = height;
    outcome.block_id = (ProtobufCBinaryData){.data = self->parent_id.bytes, .len = HASH_BYTES};
    outcome.header = (ProtobufCBinaryData){.data = bytes, .len = sizeof bytes};
    outcome.proof =
        height > 0 ? (ProtobufCBinaryData){.data = (uint8_t *)text("proof"), .len = 5} : (ProtobufCBinaryData){0};
    outcome.bodies = building->bodies;
    outcome.n_bodies = building->tx_count;
    outcome.receipts = building->receipts;
    outcome.n_receipts = building->tx_count;
    outcome.changes = building->change_list;
    outcome.n_changes = building->change_count;
    ProtobufCBinaryData packed = pack(&outcome);
    self->blocks[height] = span_of(packed.data, packed.len);
    for (size_t i = 0; i < building->tx_count; i++) {
        free(building->bodies[i].data);
        free(building->receipts[i].data);
    }
    for (size_t i = 0; i < building->change_count; i++) {
        free(building->changes[i].key.data);
        free(building->changes[i].value.data);
    }
}

static struct building *building_new(void)
{
    struct building *building = calloc(1, sizeof *building);
    assert_non_null(building);
    return building;
}

void chain_begin(struct chain *self)
{
    struct hash chain_id = hash_of(span_text("the chain"));
    chain_begin_with(self, &chain_id);
}

void chain_begin_with(struct chain *self, const struct hash *chain_id)
{
    *self = (struct chain){.chain_id = *chain_id};
    struct building *building = building_new();
    char hex[65];
    char key[TEXT_MAX];
    for (unsigned i = 0; i < CHAIN_VALIDATORS; i++) {
        struct hash id = chain_validator(i);
        uint8_t sign_key[32];
        memset(sign_key, (int)(0x10 + i), sizeof sign_key);
        char name[16];
        snprintf(name, sizeof name, "v%u", i + 1);
        Cybermesh__Record__V1__Validator record;
        cybermesh__record__v1__validator__init(&record);
        record.name = name;
        record.sign_key = (ProtobufCBinaryData){.data = sign_key, .len = sizeof sign_key};
        record.active = true;
        record.index = i;
        record.reputation_ppm = 900000 + i;
        record.blocks_proposed = i;
        record.blocks_committed = 2 * i;
        record.views_missed = 3 * i;
        record.last_active_height = i;
        hex_encode(hex, id.bytes, HASH_BYTES);
        snprintf(key, sizeof key, "validator/%s", hex);
        add_change(building, key, pack(&record), false);
    }
    struct sign_public producer = chain_producer();
    Cybermesh__Record__V1__Producer record;
    cybermesh__record__v1__producer__init(&record);
    record.name = text("sensor-1");
    record.roles = 7;
    record.active = true;
    hex_encode(hex, producer.bytes, sizeof producer.bytes);
    snprintf(key, sizeof key, "producer/%s", hex);
    add_change(building, key, pack(&record), false);
    seal(self, building);
    free(building);
}

void chain_end(struct chain *self)
{
    for (uint64_t i = 0; i < self->height_next; i++)
        free((void *)(uintptr_t)self->blocks[i].data);
}

void chain_add_changes(struct chain *self, const struct chain_event *events, size_t count,
                       const struct chain_change *changes, size_t change_count)
{
    struct building *building = building_new();
    for (size_t i = 0; i < count; i++)
        add_event(self, building, &events[i]);
    for (size_t i = 0; i < change_count; i++)
        add_change(building, changes[i].key, binary(changes[i].value.data, changes[i].value.size), changes[i].deleted);
    seal(self, building);
    free(building);
}

void chain_add(struct chain *self, const struct chain_event *events, size_t count)
{
    chain_add_changes(self, events, count, NULL, 0);
}

void chain_add_anomalies(struct chain *self, const char *prefix, size_t count)
{
    struct chain_event *events = calloc(count + 1, sizeof *events);
    char(*ids)[64] = calloc(count + 1, sizeof *ids);
    assert_true(events && ids);
    for (size_t i = 0; i < count; i++) {
        snprintf(ids[i], sizeof ids[i], "%s-%zu", prefix, i);
        events[i] = (struct chain_event){.kind = TX_ANOMALY, .id = ids[i], .content_bytes = 512};
    }
    chain_add(self, events, count);
    free(events);
    free(ids);
}

/* --- frames ------------------------------------------------------------------------------------------------------- */

struct span chain_frame(const struct chain *self, uint64_t height_first, size_t count)
{
    Cybermesh__Outcome__V1__Outcome *blocks[CHAIN_BLOCKS_MAX];
    assert_true(height_first + count <= self->height_next);
    for (size_t i = 0; i < count; i++) {
        struct span block = self->blocks[height_first + i];
        blocks[i] = cybermesh__outcome__v1__outcome__unpack(NULL, block.size, block.data);
        assert_non_null(blocks[i]);
    }
    Cybermesh__Outcome__V1__Outcomes outcomes;
    cybermesh__outcome__v1__outcomes__init(&outcomes);
    outcomes.request = 1;
    outcomes.blocks = blocks;
    outcomes.n_blocks = count;
    Cybermesh__Outcome__V1__OutcomeFrame frame;
    cybermesh__outcome__v1__outcome_frame__init(&frame);
    frame.version = 1;
    frame.body_case = CYBERMESH__OUTCOME__V1__OUTCOME_FRAME__BODY_OUTCOMES;
    frame.outcomes = &outcomes;
    ProtobufCBinaryData packed = pack(&frame);
    for (size_t i = 0; i < count; i++)
        cybermesh__outcome__v1__outcome__free_unpacked(blocks[i], NULL);
    return span_of(packed.data, packed.len);
}

struct chain_run chain_run(const struct chain *self, uint64_t height_first, size_t count)
{
    struct chain_run run = {.bytes = chain_frame(self, height_first, count), .count = count};
    assert_int_equal(outcome_codec_decode(&run.frame, run.bytes), 0);
    assert_int_equal(run.frame.count, count);
    for (size_t i = 0; i < count; i++)
        run.outcomes[i] = &run.frame.outcomes[i];
    return run;
}

void chain_run_end(struct chain_run *run)
{
    outcome_codec_deinit(&run->frame);
    free((void *)(uintptr_t)run->bytes.data);
}
