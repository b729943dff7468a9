// SPDX-License-Identifier: Apache-2.0
#include "assay/base.h"

#include <sys/ioctl.h>
#include <unistd.h>

unsigned assay_terminal_columns(FILE *stream)
{
    enum { USUAL = 80 }; // where the terminal does not say
    struct winsize size = {0};

    const int fd = fileno(stream);
    if (fd < 0 || !isatty(fd)) return 0;
    return ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : USUAL;
}
