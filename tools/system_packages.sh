#!/bin/sh
# What pip cannot install: libEGL and libGLES for mediapipe, and with --browser a Chromium for the widget tests.
# Installed by apt-get where that can be done; otherwise one line says what is missing and what it costs.
has_library() { ldconfig -p 2>/dev/null | grep -q "$1"; }
has_browser() {
    [ -n "$WORKBENCH_CHROMIUM" ] && [ -x "$WORKBENCH_CHROMIUM" ] && return 0
    for name in chromium chromium-browser google-chrome; do command -v "$name" >/dev/null 2>&1 && return 0; done
    return 1
}
[ "$(uname)" = Linux ] || exit 0

wanted=""
has_library libEGL.so.1 || wanted="$wanted libegl1"
has_library libGLESv2.so.2 || wanted="$wanted libgles2"
[ "$1" != --browser ] || has_browser || wanted="$wanted chromium"
[ -n "$wanted" ] || exit 0

if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
    echo "installing system packages:$wanted"
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends $wanted; } >/dev/null 2>&1
fi
has_library libEGL.so.1 && has_library libGLESv2.so.2 ||
    echo "face detection will not work: libEGL and libGLES are missing; install them (Debian: libegl1 libgles2)"
[ "$1" != --browser ] || has_browser ||
    echo "browser tests will be SKIPPED: no Chromium; install your system's package or set WORKBENCH_CHROMIUM to one"
exit 0
