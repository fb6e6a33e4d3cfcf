#!/bin/sh
# recommend.sh USER K [country=GB device=mobile ...]: whose list it is, then the items, a line each.
# USER is the id in its canonical form; "" is an anonymous visitor. REDIS_URL and, for pseudonyms, USER_KEY are read
# from the environment; SURFACE is home unless given. Ids with line feeds, and salts with quotes, are for other languages.
set -eu
user=$1 k=$2
shift 2
surface=${SURFACE:-home}
redis() { redis-cli -u "${REDIS_URL:-redis://127.0.0.1:6379/0}" --no-auth-warning --raw "$@"; }
# only what is in the list of the segments counts, in its order, and then everybody's; a list of none has no fallback
fallbacks() {
  segments=$(redis HGET "recs:$surface:$1:meta" segments)
  shift
  [ "$segments" != "[]" ] || return 0
  for held in "$@"; do
    printf '%s\n%s\n' "$segments" "\"$held\"" | awk 'NR == 1 { all = $0 } NR == 2 && (at = index(all, $0)) { print at, substr($0, 2, length - 2) }'
  done | sort -n | cut -d " " -f 2-
  echo all
}
filed_as() {
  if [ -z "$(redis HGET "recs:$surface:$1:meta" key_id)" ]; then printf %s "$user"; return; fi
  printf %s "$user" | openssl dgst -sha256 -hmac "$USER_KEY" | sed 's/.* //'
}
# the arm of an experiment ($1) that takes the shopper filed as $2: the first 53 bits of a SHA-256, over 2^53, fall into
# its share; nothing is the control
arm_of() {
  salt=$(printf %s "$1" | sed 's/.*"salt": "\([^"]*\)".*/\1/')
  digest=$(printf '%s:%s' "$salt" "$2" | openssl dgst -sha256 | sed 's/.* //')
  printf '%s\n' "$1" | awk -v digest="$digest" '
    function number(from, to) { for (found = 0; from <= to; from++) found = 16 * found + index("123456789abcdef", substr(digest, from, 1)); return found }
    { lot = (number(1, 8) * 2 ^ 21 + int(number(9, 16) / 2 ^ 11)) / 2 ^ 53
      sub(/.*"arms": [{]/, ""); sub(/[}].*/, ""); gsub(/"/, "")
      for (count = split($0, arms, ", "); ++n <= count;) { split(arms[n], arm, ": "); taken += arm[2]; if (lot < taken) { print arm[1]; exit } } }'
}
show() { # the items of a key, if there are any
  items=$(redis LRANGE "$2" 0 $((k - 1)))
  [ -n "$items" ] || return 1
  printf '%s\n%s\n' "$1" "$items"
}

[ "$k" -gt 0 ] || exit 0
for attempt in 1 2; do # once more if all was empty: the version was removed while it was read
  version=$(redis GET "recs:$surface:current") # in a program: at most every 30 seconds
  [ -n "$version" ] || { echo "nothing is published on $surface" >&2; exit 69; }
  experiment=$(redis GET "recs:$surface:experiment")
  if [ -n "$user" ] && [ -n "$experiment" ]; then
    arm=$(arm_of "$experiment" "$(filed_as "$version")")
    own=${arm:+$(redis GET "recs:$surface:arm:$arm")}
    [ -z "$own" ] || [ -z "$(redis HGET "recs:$surface:$own:meta" version)" ] || version=$own
  fi
  lists="recs:$surface:$version"
  if [ -n "$user" ]; then show user "$lists:u:$(filed_as "$version")" && exit 0; fi
  fallbacks "$version" "$@" | {
    while read -r segment; do if show "$segment" "$lists:s:$segment"; then exit 9; fi; done
  } || exit 0
done
