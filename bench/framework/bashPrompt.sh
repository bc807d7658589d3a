# Prompt: user, host, folder.
export PS1='\[\e[36m\]\u@\h\[\e[0m\] \w \$ '
