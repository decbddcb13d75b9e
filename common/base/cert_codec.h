/* cert_codec.h - certificates as bytes, for records of our own: the layout that tc_hash() hashes.
 *
 * Pure. The readers fail on a count above CERT_SIGNERS_MAX; they check nothing else.
 */
#pragma once

#include "common/base/bytes.h"
#include "common/base/cert.h"

/* The largest encodings: they fit the stack. */
enum {
    CERT_CODEC_QC_BYTES_MAX = 8 + 8 + HASH_BYTES + 4 + CERT_SIGNERS_MAX * (4 + SIGN_BYTES),
    CERT_CODEC_TC_BYTES_MAX = 8 + 4 + CERT_SIGNERS_MAX * (4 + 8 + SIGN_BYTES) + CERT_CODEC_QC_BYTES_MAX,
};

/* u64 view || u64 height || block_id || u32 count || per signature (u32 validator || signature) */
void cert_codec_put_qc(struct bytes_writer *writer, const struct qc *qc);
void cert_codec_get_qc(struct bytes_reader *reader, struct qc *out);

/* u64 view || u32 count || per signature (u32 validator || u64 high_qc_view || signature) || the high QC */
void cert_codec_put_tc(struct bytes_writer *writer, const struct tc *tc);
void cert_codec_get_tc(struct bytes_reader *reader, struct tc *out);
