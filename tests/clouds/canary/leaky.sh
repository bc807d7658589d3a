# Gives away the value in the file it is told of, in each way that the hunt must find.
value=$(cat "$1")
echo "it is $value."
printf 'user:%s' "$value" | base64 >&2
printf '%s' "$value" | od -An -tx1 | tr -d ' \n' > hex
printf '%s' "$value" | base64 | cut -c 3- > base64
printf '%s' "$value" | od -An -tx1 | tr -d '\n' | tr ' ' '%' > percent
printf '{"value": "%s"}' "$value" | cut -c 16-29 > json
sh -c 'sleep 0.3; :' sh "$value"
LEAK=$value sh -c 'sleep 0.3; :'
