/* respond.c - failures to statuses. */
#include "services/apid/respond.h"

#include <errno.h>

#include "common/base/err.h"
#include "services/apid/answers.h"

static int refuse(const char **why, int status, const char *text)
{
    *why = text;
    return status;
}

int respond_route(struct route_request *out, const struct request_form *form, const char *uri, const char *query,
                  const char **why)
{
    int status = request_judge(form, why);
    if (status != 0)
        return status;
    int verdict = route_parse(out, uri, query, why);
    if (verdict == ROUTE_NOT_FOUND)
        return refuse(why, 404, "no such path; everything is under /api/v1");
    return verdict == 0 ? 0 : 400;
}

int respond_from_database(struct database *database, const struct route_request *request, json_t **out,
                          const char **why)
{
    *why = "nothing is there";
    int rc = database_answer(database, request, out, why);
    if (rc == 0)
        return 200;
    if (rc == ERR_NOT_FOUND)
        return 404;
    if (rc == ERR_PEER_GONE || rc == ERR_RETRY || rc == -ETIMEDOUT)
        return refuse(why, 503, "the database does not answer; try again");
    return refuse(why, 500, "the database's answer cannot be read");
}

struct query_codec_question respond_question(const struct route_request *request)
{
    return (struct query_codec_question){
        .key = request->key, .at_height = request->has_height, .height = request->height};
}

int respond_from_executord(int rc, const Cybermesh__Query__V1__QueryFrame *frame, const struct route_request *request,
                           json_t **out, const char **why)
{
    if (rc < 0)
        return refuse(why, 503, "executord does not answer; try again");
    return answers_state(frame->state, request->key, request->proof, out, why);
}
