/* cert_codec.c - certificates as bytes. */
#include "common/base/cert_codec.h"

#include <assert.h>

void cert_codec_put_qc(struct bytes_writer *writer, const struct qc *qc)
{
    assert(qc->signature_count <= CERT_SIGNERS_MAX);
    bytes_put_u64(writer, qc->view);
    bytes_put_u64(writer, qc->height);
    bytes_put(writer, qc->block_id.bytes, HASH_BYTES);
    bytes_put_u32(writer, qc->signature_count);
    for (uint32_t i = 0; i < qc->signature_count; i++) {
        bytes_put_u32(writer, qc->signatures[i].validator);
        bytes_put(writer, qc->signatures[i].signature.bytes, SIGN_BYTES);
    }
}

void cert_codec_put_tc(struct bytes_writer *writer, const struct tc *tc)
{
    assert(tc->signature_count <= CERT_SIGNERS_MAX);
    bytes_put_u64(writer, tc->view);
    bytes_put_u32(writer, tc->signature_count);
    for (uint32_t i = 0; i < tc->signature_count; i++) {
        bytes_put_u32(writer, tc->signatures[i].validator);
        bytes_put_u64(writer, tc->signatures[i].high_qc_view);
        bytes_put(writer, tc->signatures[i].signature.bytes, SIGN_BYTES);
    }
    cert_codec_put_qc(writer, &tc->high_qc);
}

static uint32_t get_count(struct bytes_reader *reader)
{
    uint32_t count = bytes_get_u32(reader);
    if (count > CERT_SIGNERS_MAX)
        reader->failed = true;
    return reader->failed ? 0 : count;
}

void cert_codec_get_qc(struct bytes_reader *reader, struct qc *out)
{
    out->view = bytes_get_u64(reader);
    out->height = bytes_get_u64(reader);
    bytes_get_copy(reader, out->block_id.bytes, HASH_BYTES);
    out->signature_count = get_count(reader);
    for (uint32_t i = 0; i < out->signature_count; i++) {
        out->signatures[i].validator = bytes_get_u32(reader);
        bytes_get_copy(reader, out->signatures[i].signature.bytes, SIGN_BYTES);
    }
}

void cert_codec_get_tc(struct bytes_reader *reader, struct tc *out)
{
    out->view = bytes_get_u64(reader);
    out->signature_count = get_count(reader);
    for (uint32_t i = 0; i < out->signature_count; i++) {
        out->signatures[i].validator = bytes_get_u32(reader);
        out->signatures[i].high_qc_view = bytes_get_u64(reader);
        bytes_get_copy(reader, out->signatures[i].signature.bytes, SIGN_BYTES);
    }
    cert_codec_get_qc(reader, &out->high_qc);
}
