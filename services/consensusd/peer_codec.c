/* peer_codec.c - small messages, read where they lie. */
#include "services/consensusd/peer_codec.h"

#include <assert.h>

#include "common/base/err.h"
#include "common/base/wire.h"

enum { FIELD_REQUEST = 1, REQUEST_VERSION = 2, REQUEST_RECORD = 3, RESPONSE_RECORD = 2 };
enum { VERSION_VALIDATOR = 1, VERSION_VERSION = 2 };

static int get_version(struct peer_codec_request *out, struct span bytes, uint32_t validator_count)
{
    struct bytes_reader reader = bytes_reader_of(bytes);
    struct wire_field field;
    uint64_t validator = 0, version = 0;
    while (wire_next(&reader, &field)) {
        if (field.number == VERSION_VALIDATOR && field.type == WIRE_VARINT)
            validator = field.value;
        else if (field.number == VERSION_VERSION && field.type == WIRE_VARINT)
            version = field.value;
    }
    if (reader.failed || validator >= validator_count || version == 0 || out->versions[validator] != 0)
        return ERR_MALFORMED;
    out->versions[validator] = version;
    return 0;
}

int peer_codec_decode_request(struct peer_codec_request *out, struct span body, uint32_t validator_count)
{
    struct peer_codec_request request = {0};
    struct bytes_reader reader = bytes_reader_of(body);
    struct wire_field field;
    while (wire_next(&reader, &field)) {
        if (field.number == FIELD_REQUEST && field.type == WIRE_VARINT)
            request.request = field.value;
        else if (field.number == REQUEST_RECORD && field.type == WIRE_BYTES)
            request.record = field.bytes;
        else if (field.number == REQUEST_VERSION && field.type == WIRE_BYTES &&
                 get_version(&request, field.bytes, validator_count) < 0)
            return ERR_MALFORMED;
    }
    if (reader.failed || request.record.size > PEER_RECORD_BYTES_MAX)
        return ERR_MALFORMED;
    *out = request;
    return 0;
}

int peer_codec_decode_response(struct peer_codec_response *out, struct span body, uint32_t validator_count)
{
    struct peer_codec_response response = {0};
    struct bytes_reader reader = bytes_reader_of(body);
    struct wire_field field;
    while (wire_next(&reader, &field)) {
        if (field.number == FIELD_REQUEST && field.type == WIRE_VARINT)
            response.request = field.value;
        if (field.number != RESPONSE_RECORD || field.type != WIRE_BYTES)
            continue;
        if (response.record_count == validator_count || field.bytes.size > PEER_RECORD_BYTES_MAX)
            return ERR_MALFORMED;
        response.records[response.record_count++] = field.bytes;
    }
    if (reader.failed)
        return ERR_MALFORMED;
    *out = response;
    return 0;
}

static void put_request(struct bytes_writer *writer, const void *value)
{
    const struct peer_codec_request *request = value;
    wire_put_number(writer, FIELD_REQUEST, request->request);
    for (uint32_t i = 0; i < GENESIS_VALIDATORS_MAX; i++) {
        if (request->versions[i] == 0)
            continue;
        uint8_t bytes[2 * (1 + WIRE_VARINT_BYTES_MAX)];
        struct bytes_writer version = bytes_writer_of(bytes, sizeof bytes);
        wire_put_number(&version, VERSION_VALIDATOR, i);
        wire_put_number(&version, VERSION_VERSION, request->versions[i]);
        wire_put_item(writer, REQUEST_VERSION, bytes_written(&version));
    }
    wire_put_bytes(writer, REQUEST_RECORD, request->record);
}

static void put_response(struct bytes_writer *writer, const void *value)
{
    const struct peer_codec_response *response = value;
    wire_put_number(writer, FIELD_REQUEST, response->request);
    for (size_t i = 0; i < response->record_count; i++)
        wire_put_item(writer, RESPONSE_RECORD, response->records[i]);
}

size_t peer_codec_encode_request(uint8_t out[static PEER_CODEC_FRAME_BYTES_MAX],
                                 const struct peer_codec_request *request)
{
    struct bytes_writer writer = bytes_writer_of(out, PEER_CODEC_FRAME_BYTES_MAX);
    wire_frame_put(&writer, PEER_CODEC_REQUEST, put_request, request);
    assert(!writer.failed);
    return writer.size;
}

size_t peer_codec_encode_response(uint8_t out[static PEER_CODEC_FRAME_BYTES_MAX],
                                  const struct peer_codec_response *response)
{
    struct bytes_writer writer = bytes_writer_of(out, PEER_CODEC_FRAME_BYTES_MAX);
    wire_frame_put(&writer, PEER_CODEC_RESPONSE, put_response, response);
    assert(!writer.failed);
    return writer.size;
}
