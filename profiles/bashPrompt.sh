# user@cluster folder $, coloured by environment: red in Prod, yellow in PreProd, green elsewhere
case "${DB_CLUSTER_NAME:-}" in
    Prod-*) _prompt_colour=31 ;;
    PreProd-*) _prompt_colour=33 ;;
    *) _prompt_colour=32 ;;
esac
PS1="\[\e[${_prompt_colour}m\]\u@${DB_CLUSTER_NAME:-\h}\[\e[0m\] \w \\$ "
unset _prompt_colour
