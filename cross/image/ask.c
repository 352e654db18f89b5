/* `kwaainet ask VERB --run-dir DIR` and `kwaainet health --run-dir DIR`, without Python: the status socket's
 * answer as it comes.
 *
 * A router's pages and a container's health check ask every few seconds, and each start of the interpreter
 * takes a second on a router. Any other command line is edge/status/client.py's, which says the same in the same words.
 */
#include "ask.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { FAILED = 1, NO_NODE = 3 };
enum { SECONDS = 2, MAX_VERB = 32, MAX_ANSWER = 1 << 20 };

/* The end of everything that takes too long: of no other signal is there a handler, so nothing is
 * interrupted and goes on. */
static void
give_up(int number)
{
    static const char line[] = "kwaainet: no answer within 2 s\n";

    (void)number;
    (void)!write(STDERR_FILENO, line, sizeof line - 1);
    _exit(FAILED);
}

static void
set_deadline(void)
{
    sigset_t alarms;

    signal(SIGALRM, give_up);
    sigemptyset(&alarms);
    sigaddset(&alarms, SIGALRM);
    sigprocmask(SIG_UNBLOCK, &alarms, NULL);
    alarm(SECONDS);
}

/* A verb as the node's are named; not a flag. */
static int
is_verb(const char *text)
{
    const size_t length = strspn(text, "abcdefghijklmnopqrstuvwxyz-");

    return text[0] != '-' && length > 0 && length <= MAX_VERB && text[length] == '\0';
}

static int
fail(const char *what, const char *where, const char *why)
{
    fprintf(stderr, "kwaainet: %s%s%s\n", what, where, why);
    return FAILED;
}

/* Says why the node in `directory` cannot be asked, by errno. */
static int
refuse(const char *directory)
{
    if (errno == ENOENT || errno == ENOTDIR || errno == ECONNREFUSED) {
        fail("no node runs in ", directory, "");
        return NO_NODE;
    }
    if (errno == EACCES)
        return fail("permission denied: the node in ", directory, " answers its own user and root only");
    fprintf(stderr, "kwaainet: cannot ask the node in %s: %s\n", directory, strerror(errno));
    return FAILED;
}

/* A connection to the socket in `directory`, -1 with errno. The name alone always fits into an address. */
static int
dial(const char *directory)
{
    static const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "status.sock"};
    int any, sock;

    if (chdir(directory) != 0)
        return -1;
    any = socket(AF_UNIX, SOCK_STREAM, 0);
    sock = fcntl(any, F_DUPFD, STDERR_FILENO + 1); /* not in the place of a stream that was closed */
    close(any);
    return connect(sock, (const struct sockaddr *)&address, sizeof address) == 0 ? sock : -1;
}

static int
put(int file, const char *data, size_t size)
{
    while (size > 0) {
        const ssize_t written = write(file, data, size);

        if (written < 0)
            return -1;
        data += written;
        size -= (size_t)written;
    }
    return 0;
}

/* Reads a line to `answer`. Its size with its end; 0 when there is none, which is said. */
static size_t
take(int sock, char *answer)
{
    size_t size = 0;

    while (size < MAX_ANSWER) {
        const ssize_t count = read(sock, answer + size, MAX_ANSWER - size);
        const char *end;

        if (count <= 0) {
            if (count < 0)
                fail("the node does not answer: ", strerror(errno), "");
            else
                fail("the node closed the connection without an answer", "", "");
            return 0;
        }
        end = memchr(answer + size, '\n', (size_t)count);
        size += (size_t)count;
        if (end != NULL)
            return (size_t)(end + 1 - answer);
    }
    fail("the node's answer does not end", "", "");
    return 0;
}

static int
print(const char *answer, size_t size)
{
    static const char error[] = "{\"error\"";

    if (strncmp(answer, error, sizeof error - 1) == 0) {
        fprintf(stderr, "kwaainet: %.*s", (int)size, answer);
        return FAILED;
    }
    if (put(STDOUT_FILENO, answer, size) == 0)
        return 0;
    return errno == EPIPE ? FAILED : fail("cannot write the output: ", strerror(errno), "");
}

/* Asks the node in `directory`, and prints what it says. */
static int
forward(const char *verb, const char *directory)
{
    char request[sizeof "{\"verb\":\"\"}\n" + MAX_VERB];
    char *answer;
    size_t size;
    int sock;

    set_deadline();
    signal(SIGPIPE, SIG_IGN);
    sock = dial(directory);
    if (sock < 0)
        return refuse(directory);
    snprintf(request, sizeof request, "{\"verb\":\"%s\"}\n", verb);
    answer = malloc(MAX_ANSWER);
    if (answer == NULL || put(sock, request, strlen(request)) != 0)
        return fail("the node does not answer: ", strerror(errno), "");
    shutdown(sock, SHUT_WR); /* so that the node need not wait for another request */
    size = take(sock, answer);
    return size > 0 ? print(answer, size) : FAILED;
}

int
ask(int argc, char **argv)
{
    const int is_health = argc == 4 && strcmp(argv[1], "health") == 0;
    const int is_ask = argc == 5 && strcmp(argv[1], "ask") == 0 && is_verb(argv[2]);
    const char *directory;

    if ((!is_health && !is_ask) || strcmp(argv[argc - 2], "--run-dir") != 0)
        return NOT_ASKED;
    directory = argv[argc - 1];
    if (directory[0] == '\0' || directory[0] == '-')
        return NOT_ASKED;
    if (is_health) /* a node that is not there is not well either */
        return forward(argv[1], directory) == 0 ? 0 : FAILED;
    return forward(argv[2], directory);
}
