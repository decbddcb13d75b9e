/* test_equivocation.c - proofs of equivocation are read, written and judged. */
#include "tests/unit/base/vectors.h"

#include "common/base/equivocation.h"

static void proofs_are_those_of_the_vectors(void **state)
{
    json_t *root = vectors_load("equivocations.json");
    struct genesis genesis = vectors_genesis(root);
    size_t index;
    const json_t *test_case;
    VECTORS_EACH(root, index, test_case)
    {
        const char *name = vectors_text(test_case, "name");
        struct blob body = vectors_bytes(test_case, "body");
        struct equivocation proof;
        int verdict = equivocation_decode(&proof, blob_span(&body));
        if (verdict == 0) {
            uint8_t again[EQUIVOCATION_BODY_BYTES_MAX];
            size_t size = equivocation_encode(again, &proof);
            vectors_assert_equal(name, span_of(again, size), blob_span(&body));
            verdict = equivocation_verify(&proof, &genesis);
        }
        const char *got = verdict == 0 ? "OK" : reason_text(verdict);
        if (strcmp(got, vectors_text(test_case, "expect")) != 0)
            fail_msg("%s: %s", name, got);
        blob_free(&body);
    }
    json_decref(root);
}

/* What producers send has one parser, and it takes no proof. */
static void a_proof_is_no_event(void **state)
{
    json_t *root = vectors_load("equivocations.json");
    size_t index;
    const json_t *test_case;
    VECTORS_EACH(root, index, test_case)
    {
        struct blob body = vectors_bytes(test_case, "body");
        struct tx tx;
        const char *why;
        assert_int_equal(tx_parse(&tx, blob_span(&body), &why), REASON_MALFORMED);
        blob_free(&body);
    }
    json_decref(root);
}

/* The statements are written in the order of their blocks, whoever found them first. */
static void a_pair_has_one_form(void **state)
{
    struct equivocation one = {.kind = EQUIVOCATION_VOTE, .view = 3};
    one.statements[0].block_id.bytes[0] = 9;
    one.statements[1].block_id.bytes[0] = 2;
    struct equivocation two = one;
    two.statements[0] = one.statements[1];
    two.statements[1] = one.statements[0];
    uint8_t a[EQUIVOCATION_BODY_BYTES_MAX], b[EQUIVOCATION_BODY_BYTES_MAX];
    size_t size = equivocation_encode(a, &one);
    assert_int_equal(equivocation_encode(b, &two), size);
    assert_memory_equal(a, b, size);
}

/* Also when it was not read from bytes, whose order shows it. */
static void one_statement_twice_is_no_proof(void **state)
{
    json_t *root = vectors_load("equivocations.json");
    struct genesis genesis = vectors_genesis(root);
    size_t index, good = 0;
    const json_t *test_case;
    VECTORS_EACH(root, index, test_case)
    {
        struct blob body = vectors_bytes(test_case, "body");
        struct equivocation proof;
        if (equivocation_check(&proof, blob_span(&body), &genesis) == 0) {
            good++;
            proof.statements[1] = proof.statements[0];
            assert_int_equal(equivocation_verify(&proof, &genesis), REASON_CONTENT_RULE);
        }
        blob_free(&body);
    }
    assert_true(good >= 2);
    json_decref(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(proofs_are_those_of_the_vectors),
        cmocka_unit_test(a_proof_is_no_event),
        cmocka_unit_test(a_pair_has_one_form),
        cmocka_unit_test(one_statement_twice_is_no_proof),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
