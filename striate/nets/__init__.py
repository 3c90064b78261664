"""What a network is: Net, its blocks, the layer notation, one file a family, published weights."""
