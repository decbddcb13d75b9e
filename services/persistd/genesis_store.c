/* genesis_store.c - the table genesis_certificates. */
#include "services/persistd/genesis_store.h"

#include <string.h>

#include "common/base/err.h"

static const struct pg_statement put_certificate = {
    .name = "put_certificate",
    .sql = "INSERT INTO genesis_certificates (chain_id, certificate) VALUES ($1::bytea, $2::bytea) "
           "ON CONFLICT (chain_id) DO NOTHING"};

static const struct pg_statement get_certificate = {
    .name = "get_certificate", .sql = "SELECT certificate::bytea FROM genesis_certificates WHERE chain_id = $1::bytea"};

static int put(struct pg *pg, const struct hash *chain_id, struct span certificate)
{
    struct pg_params params;
    pg_params_init(&params);
    pg_param_bytea(&params, span_of(chain_id->bytes, HASH_BYTES));
    pg_param_bytea(&params, certificate);
    return pg_exec(pg, &put_certificate, &params, NULL);
}

int genesis_store_exchange(struct pg *pg, const struct hash *chain_id, struct span offered,
                           struct genesis_store_certificate *out)
{
    if (offered.size > GENESIS_STORE_BYTES_MAX)
        return ERR_TOO_LARGE;
    int rc = offered.size > 0 ? put(pg, chain_id, offered) : 0;
    if (rc != 0)
        return rc;
    struct pg_params params;
    pg_params_init(&params);
    pg_param_bytea(&params, span_of(chain_id->bytes, HASH_BYTES));
    CLEANUP(pg_result_destroy) struct pg_result *result = NULL;
    rc = pg_exec(pg, &get_certificate, &params, &result);
    if (rc != 0)
        return rc;
    struct span found = pg_result_rows(result) > 0 ? pg_result_span(result, 0, 0) : (struct span){.size = 0};
    if (found.size > GENESIS_STORE_BYTES_MAX)
        return ERR_TOO_LARGE;
    if (found.size > 0)
        memcpy(out->bytes, found.data, found.size);
    out->size = found.size;
    return 0;
}
