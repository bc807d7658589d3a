syntax on
set number
set expandtab shiftwidth=4 softtabstop=4
set incsearch hlsearch
