/* proof_codec.c - reads a commit proof. Field numbers are those of proto/proof.proto. */
#include "services/executord/proof_codec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/bytes.h"
#include "common/base/err.h"
#include "common/base/wire.h"

static int read_signature(struct qc *qc, struct span bytes)
{
    if (qc->signature_count == CERT_SIGNERS_MAX)
        return ERR_TOO_LARGE;
    struct cert_signature *signature = &qc->signatures[qc->signature_count++];
    bool signed_ = false;
    struct bytes_reader reader = bytes_reader_of(bytes);
    struct wire_field field;
    while (wire_next(&reader, &field)) {
        if (field.number == 1)
            signature->validator = (uint32_t)field.value;
        else if (field.number == 2 && field.bytes.size == SIGN_BYTES) {
            memcpy(signature->signature.bytes, field.bytes.data, SIGN_BYTES);
            signed_ = true;
        }
    }
    return reader.failed || !signed_ ? ERR_MALFORMED : 0;
}

static int read_qc(struct qc *qc, struct span bytes)
{
    struct bytes_reader reader = bytes_reader_of(bytes);
    struct wire_field field;
    int rc = 0;
    while (rc == 0 && wire_next(&reader, &field)) {
        if (field.number == 1)
            qc->view = field.value;
        else if (field.number == 2)
            qc->height = field.value;
        else if (field.number == 3)
            rc = wire_hash(&field, &qc->block_id);
        else if (field.number == 4)
            rc = read_signature(qc, field.bytes);
    }
    return rc < 0 ? rc : reader.failed ? ERR_MALFORMED : 0;
}

/* Count the headers, all of the right size. */
static int count_headers(struct span bytes, size_t *count)
{
    struct bytes_reader reader = bytes_reader_of(bytes);
    struct wire_field field;
    *count = 0;
    while (wire_next(&reader, &field)) {
        if (field.number != 1)
            continue;
        if (field.bytes.size != BLOCK_HEADER_BYTES)
            return ERR_MALFORMED;
        if (++*count > CERT_PROOF_HEADERS_MAX)
            return ERR_TOO_LARGE;
    }
    return reader.failed ? ERR_MALFORMED : 0;
}

int proof_codec_decode(struct proof_codec_proof *out, struct span bytes)
{
    size_t count;
    int rc = count_headers(bytes, &count);
    if (rc < 0)
        return rc;
    uint8_t *headers = malloc(count * BLOCK_HEADER_BYTES + 1);
    if (!headers)
        return -ENOMEM;
    *out = (struct proof_codec_proof){.headers = headers, .proof = {.headers = headers, .header_count = count}};
    struct bytes_reader reader = bytes_reader_of(bytes);
    struct wire_field field;
    while (rc == 0 && wire_next(&reader, &field)) {
        if (field.number == 1) {
            memcpy(headers, field.bytes.data, BLOCK_HEADER_BYTES);
            headers += BLOCK_HEADER_BYTES;
        } else if (field.number == 2) {
            rc = read_qc(&out->proof.qc, field.bytes);
        }
    }
    if (rc < 0)
        proof_codec_deinit(out);
    return rc;
}

void proof_codec_deinit(struct proof_codec_proof *self)
{
    free(self->headers);
    *self = (struct proof_codec_proof){0};
}
