syntax on
set number
set expandtab
set tabstop=4
set shiftwidth=4
